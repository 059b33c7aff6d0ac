//! A certificate of the mesh as proof: how workloads renew.
//!
//! In: a certificate whose chain the connection's TLS has verified. Out: the workload that it names.

use std::time::SystemTime;

use mesh_pki::{Facts, pki_types::CertificateDer};

use super::{Refusal, TrustDomain};
use crate::caller::{Caller, Proof};

pub(super) fn caller(
    leaf: &CertificateDer<'_>,
    domain: &TrustDomain,
    now: SystemTime,
) -> Result<Caller, Refusal> {
    let unproven = |error: &dyn std::fmt::Display| Refusal::Unproven(format!("client certificate: {error}"));
    let facts = Facts::read(leaf).map_err(|error| unproven(&error))?;
    // It was valid when the connection was made, which may be long ago.
    if !facts.is_valid(now) {
        return Err(unproven(&"it has expired"));
    }
    let identity = facts.workload().map_err(|error| unproven(&error))?;
    if !domain.has(&identity) {
        return Err(unproven(&format_args!("{} is not of this mesh", identity.trust_domain())));
    }
    // Under an alias, it stays the same workload, but gets a name of today.
    let identity = domain.identity(identity.namespace(), identity.service_account())?;
    Ok(Caller { identity, proof: Proof::Certificate { serial: facts.serial } })
}
