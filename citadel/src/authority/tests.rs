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

/// A certificate by `issuer`, for a new key, with what `adjust` says.
fn by(
    issuer: &Material,
    adjust: impl FnOnce(&mut rcgen::CertificateParams),
) -> (rcgen::Certificate, rcgen::KeyPair) {
    let issuer = Issuer::from_ca_cert_pem(&issuer.certificate, keys::read(&issuer.key).unwrap()).unwrap();
    let key = keys::generate(KeyKind::P256).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    adjust(&mut params);
    (params.signed_by(&key, &issuer).unwrap(), key)
}

#[test]
fn what_is_wrong_with_a_set_is_told_by_the_names_that_people_have_given_it() {
    let now = SystemTime::now();
    let unlimited = Request { organization: "corp".to_owned(), key: KeyKind::P256, lifetime: DAY * 10 };
    let root = self_signed(&unlimited, now).unwrap();
    let other = self_signed(&unlimited, now).unwrap();
    let (signer, key) = by(&root, |_| {});
    let good = Material {
        certificate: signer.pem(),
        key: key.serialize_pem().into(),
        chain: String::new(),
        roots: root.certificate.clone(),
        revocations: None,
    };
    State::new(&good, now).unwrap();
    let ended = by(&root, |params| params.not_after = (now - DAY).into());
    let early = by(&root, |params| params.not_before = (now + DAY).into());
    let leaf = by(&root, |params| params.is_ca = rcgen::IsCa::ExplicitNoCa);
    let of = |(certificate, key): &(rcgen::Certificate, rcgen::KeyPair)| Material {
        certificate: certificate.pem(),
        key: key.serialize_pem().into(),
        ..good.clone()
    };
    for (material, expected) in [
        (of(&ended), "ca-cert.pem (or tls.crt): "),
        (of(&ended), "put its successor there"),
        (of(&early), "and not yet"),
        (of(&leaf), "ca-cert.pem (or tls.crt) is no certificate of an authority (CA:TRUE)"),
        (
            Material { key: other.key.clone(), ..good.clone() },
            "ca-key.pem (or tls.key) is not the key of ca-cert.pem",
        ),
        (
            Material { key: "no key".to_owned().into(), ..good.clone() },
            "ca-key.pem (or tls.key): the private key can't be read",
        ),
        (
            Material { roots: other.certificate.clone(), ..good.clone() },
            "does not chain to a certificate in root-cert.pem (or ca.crt)",
        ),
        (Material { roots: String::new(), ..good.clone() }, "root-cert.pem (or ca.crt): "),
        (
            Material { certificate: "x".to_owned(), ..good.clone() },
            "ca-cert.pem (or tls.crt) has no certificate",
        ),
        (
            Material { chain: good.certificate.replace("MII", "!!!"), ..good.clone() },
            "cert-chain.pem (or what follows",
        ),
        (Material { revocations: Some("x".to_owned()), ..good.clone() }, "ca-crl.pem: "),
        (
            Material { revocations: Some(list(&other, now)), ..good.clone() },
            "ca-crl.pem has no list of the signing",
        ),
    ] {
        let error = State::new(&material, now).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "`{error}` does not say `{expected}`");
    }
    // An intermediate may outlive its root: nobody takes it then.
    let (long, key) = by(&root, |params| params.not_after = (now + DAY * 100).into());
    let long = of(&(long, key));
    State::new(&long, now).unwrap();
    let error = State::new(&long, now + DAY * 11).unwrap_err().to_string();
    assert!(error.starts_with("root-cert.pem (or ca.crt): O=corp"), "{error}");
}
