//! What mesh settings say of identity, over what flags say.
//!
//! In: flags, and mesh settings: a ConfigMap, a file, or what the control plane in this process has read. Out: the authority's settings, which follow them. Where both speak, mesh settings
//! win, as with Istio; a trust domain that is none, or roots that can't be read, leave what held before.

use std::sync::Arc;

use anyhow::{Context, Result};
use citadel::{Config, MeshIdentity, MoreTrust, TrustDomain};
use mesh_pki::{SpiffeId, TrustBundle};
use pilot::Pilot;
use pilot_ingest::{Identities, IdentitySettings, RootSettings};
use tokio::sync::watch;

/// The authority's settings, but for what mesh settings say.
pub struct Pending {
    /// By flags alone.
    pub config: Config,
    /// What mesh settings say, where there may be any.
    pub settings: Option<Identities>,
}

impl Pending {
    /// Resolves when mesh settings are known: nobody gets a certificate in the name of another mesh meanwhile.
    pub async fn complete(self) -> Result<Config> {
        let Self { config, settings } = self;
        let flags = config.mesh.borrow().clone();
        let Some(mut said) = settings else { return Ok(config) };
        said.wait_for(Option::is_some).await.context("mesh settings are no longer followed")?;
        let first = merge(&flags, said.borrow_and_update().as_deref(), &flags);
        let (sender, mesh) = watch::channel(Arc::new(first));
        tokio::spawn(async move {
            while said.changed().await.is_ok() {
                let before = sender.borrow().clone();
                let next = merge(&flags, said.borrow_and_update().as_deref(), &before);
                if next != *before {
                    tell(&before, &next);
                    sender.send_replace(Arc::new(next));
                }
                if sender.is_closed() {
                    return;
                }
            }
        });
        Ok(Config { mesh, ..config })
    }
}

/// What the control plane in this process has read: configuration and certificates then speak of the same trust domain.
pub fn said_by(pilot: &Pilot) -> Identities {
    let (mut published, mut mesh) = (pilot.published(), pilot.mesh());
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        // Before that, it has not read everything.
        if published.wait_for(|count| *count > 0).await.is_err() {
            return;
        }
        loop {
            let said = IdentitySettings::from(&**mesh.borrow_and_update().config());
            sender.send_if_modified(|before: &mut Option<Arc<IdentitySettings>>| {
                let changed = before.as_deref() != Some(&said);
                if changed {
                    *before = Some(Arc::new(said));
                }
                changed
            });
            tokio::select! {
                changed = mesh.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
        }
    });
    receiver
}

/// A trust domain that is left at once is one whose workloads are nobody until they have new certificates.
fn tell(before: &MeshIdentity, next: &MeshIdentity) {
    let (old, new) = (&before.trust_domain.name, &next.trust_domain);
    if *old == new.name || new.aliases.contains(old) {
        tracing::info!(trust_domain = new.name, "mesh settings of identity have changed");
    } else {
        tracing::warn!(
            before = old,
            trust_domain = new.name,
            "the trust domain has changed: workloads with certificates of the one before are refused until they renew; \
             trustDomainAliases that name it let them in meanwhile"
        );
    }
}

fn merge(flags: &MeshIdentity, said: Option<&IdentitySettings>, before: &MeshIdentity) -> MeshIdentity {
    let Some(IdentitySettings { trust_domain, trust_domain_aliases, roots, left_out: _ }) = said else {
        return flags.clone();
    };
    let name = trust_domain.clone().unwrap_or_else(|| flags.trust_domain.name.clone());
    if let Err(error) = SpiffeId::new(&name, "a", "b") {
        tracing::error!(%error, "trustDomain of the mesh settings is not taken");
        return before.clone();
    }
    // Istio's older installations have names of accounts in it.
    let name = name.replace('@', ".");
    let mut aliases = flags.trust_domain.aliases.clone();
    aliases.extend(
        trust_domain_aliases.iter().filter(|alias| !flags.trust_domain.aliases.contains(alias)).cloned(),
    );
    let mut all = Vec::new();
    for (index, RootSettings { pem, cert_signers }) in roots.iter().enumerate() {
        match TrustBundle::from_pem(pem) {
            Ok(roots) => all.push(MoreTrust { roots, cert_signers: cert_signers.clone() }),
            Err(error) => {
                tracing::error!(%error, index, "caCertificates of the mesh settings are not taken");
                return before.clone();
            }
        }
    }
    MeshIdentity { trust_domain: TrustDomain { name, aliases }, roots: all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mesh_settings_win_and_bad_ones_change_nothing() {
        let mut flags = MeshIdentity::of("flag.example");
        flags.trust_domain.aliases = vec!["old.example".to_owned()];
        assert_eq!(merge(&flags, None, &flags), flags);
        let nothing = IdentitySettings::default();
        assert_eq!(merge(&flags, Some(&nothing), &flags), flags);
        let said = IdentitySettings {
            trust_domain: Some("mesh.example".to_owned()),
            trust_domain_aliases: vec!["older.example".to_owned(), "old.example".to_owned()],
            ..IdentitySettings::default()
        };
        let merged = merge(&flags, Some(&said), &flags);
        assert_eq!(merged.trust_domain.name, "mesh.example");
        assert_eq!(merged.trust_domain.aliases, ["old.example", "older.example"]);
        let bad = IdentitySettings { trust_domain: Some("not/one".to_owned()), ..said.clone() };
        assert_eq!(merge(&flags, Some(&bad), &merged), merged);
        let pem = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_owned();
        let bad = IdentitySettings { roots: vec![RootSettings { pem, cert_signers: Vec::new() }], ..said };
        assert_eq!(merge(&flags, Some(&bad), &merged), merged);
    }
}
