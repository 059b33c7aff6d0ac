//! Which roots are trusted besides the authority's own.
//!
//! In: mesh settings as they change, and who signs for workloads. Out: the same in the [`Authority`], which hands roots out and takes
//! certificates under them for proof. The two are kept apart: a root of peers makes workloads talk to these, and nobody known here.

use std::sync::Arc;

use mesh_pki::TrustBundle;
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    Authority,
    authority::MoreRoots,
    config::{MeshIdentity, MoreTrust, ServingSigner},
    issue::{AuthorityElsewhere, Signer},
};

/// Keeps `authority` up to date.
pub(crate) fn start(
    mut mesh: watch::Receiver<Arc<MeshIdentity>>,
    signer: &Signer,
    serving: &ServingSigner,
    authority: Authority,
) -> AbortHandle {
    let (signer, serving) = (signer.clone(), serving.clone());
    // At once: nothing is handed out before.
    authority.trust(more(&mesh.borrow_and_update(), &signer, &serving));
    let following = tokio::spawn(async move {
        while mesh.changed().await.is_ok() {
            let more = more(&mesh.borrow_and_update(), &signer, &serving);
            authority.trust(more);
        }
    });
    following.abort_handle()
}

fn more(mesh: &MeshIdentity, signer: &Signer, serving: &ServingSigner) -> MoreRoots {
    let MeshIdentity { trust_domain: _, roots } = mesh;
    let (mut signers, of_signer): (Option<TrustBundle>, _) = match signer {
        Signer::Own => (None, None),
        Signer::Kubernetes { name, roots } => (roots.clone(), Some(name)),
        Signer::Elsewhere(elsewhere) => {
            let AuthorityElsewhere { address: _, roots, credential: _, token: _ } = &**elsewhere;
            (Some(roots.clone()), None)
        }
    };
    let add = |all: &mut Option<TrustBundle>, more: &TrustBundle| {
        *all = Some(all.as_ref().map_or_else(|| more.clone(), |all| all.with(more)));
    };
    // Who signs for the control plane alone proves nobody.
    let mut peers = match serving {
        ServingSigner::Own => None,
        ServingSigner::Kubernetes { name: _, roots }
        | ServingSigner::Files { certificate: _, key: _, roots } => roots.clone(),
    };
    for MoreTrust { roots, cert_signers } in roots {
        if of_signer.is_some_and(|name| cert_signers.iter().any(|signer| name.may_be(signer))) {
            add(&mut signers, roots);
        } else {
            add(&mut peers, roots);
        }
    }
    MoreRoots { signers, peers }
}
