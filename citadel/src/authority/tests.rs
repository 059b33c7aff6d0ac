//! Which revocation lists an authority may have, and become another with.

use std::time::Duration;

use mesh_pki::keys::KeyKind;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, SerialNumber};

use super::*;
use crate::root::create::{Request, self_signed};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn root(name: &str, now: SystemTime) -> Material {
    self_signed(&Request { organization: name.to_owned(), key: KeyKind::P256, lifetime: DAY }, now).unwrap()
}

/// A list of `of` that revokes nobody.
fn list(of: &Material, now: SystemTime) -> String {
    let issuer = Issuer::from_ca_cert_pem(&of.certificate, keys::read(&of.key).unwrap()).unwrap();
    let params = CertificateRevocationListParams {
        this_update: now.into(),
        next_update: (now + DAY).into(),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&issuer).unwrap().pem().unwrap()
}

#[test]
fn lists_by_which_workloads_would_refuse_each_other_are_not_taken() {
    let now = SystemTime::now();
    let (old, new) = (root("old", now), root("new", now));
    let [of_old, of_new] = [&old, &new].map(|of| list(of, now));
    let both = format!("{of_old}{of_new}");
    let roots = format!("{}{}", old.certificate, new.certificate);
    let state = |signer: &Material, lists: &str| {
        let revocations = (!lists.is_empty()).then(|| lists.to_owned());
        State::new(&Material { roots: roots.clone(), revocations, ..signer.clone() }, now)
    };
    let error = state(&old, &of_new).unwrap_err().to_string();
    assert!(error.contains("ca-crl.pem"), "{error}");
    assert!(state(&old, &of_old[..of_old.len() / 2]).is_err(), "half a text");
    let turns = |from: (&Material, &str), to: (&Material, &str)| {
        state(from.0, from.1).unwrap().can_become(&state(to.0, to.1).unwrap())
    };
    assert!(turns((&old, ""), (&new, "")));
    assert!(turns((&old, ""), (&old, &of_old)) && turns((&old, &of_old), (&old, "")));
    assert!(turns((&old, &of_old), (&old, &both)) && turns((&old, &both), (&new, &both)));
    assert!(turns((&new, &both), (&new, &of_new)));
    assert!(
        !turns((&old, &of_old), (&new, &both)),
        "whoever has the list of the old one alone refuses the new one"
    );
    assert!(
        !turns((&old, ""), (&new, &of_new)),
        "whoever has the list of the new one alone refuses the old one"
    );
}

#[test]
fn a_signing_certificate_that_has_ended_signs_nothing() {
    let now = SystemTime::now();
    let state = State::new(&root("cluster.local", now), now).unwrap();
    let key = keys::generate(KeyKind::P256).unwrap();
    let id = "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap();
    let sign = |at: SystemTime| state.sign_workload(&key, &id, DAY, at);
    // What it signs ends with it.
    let last = sign(now + DAY / 2).unwrap();
    assert!(last.not_after <= now + DAY, "{last:?}");
    let error = sign(now + DAY).unwrap_err().to_string();
    assert!(error.contains("the signing certificate has ended"), "{error}");
}
