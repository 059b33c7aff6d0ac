//! Requests that must be taken, and those that must not.

use super::*;
use crate::keys::{self, KeyKind};
use proptest::prelude::*;

/// Made by openssl: RSA with 1024 bits.
const RSA_1024: &str = include_str!("testdata/rsa1024.pem");
/// Made by openssl: RSA with 2048 bits, signed with SHA-1.
const RSA_SHA1: &str = include_str!("testdata/rsa2048-sha1.pem");
/// Made by openssl: P-521.
const P521: &str = include_str!("testdata/p521.pem");
/// Made by openssl: Ed25519.
const ED25519: &str = include_str!("testdata/ed25519.pem");

fn request() -> Vec<u8> {
    let key = keys::generate(KeyKind::P256).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names.push(SanType::URI("spiffe://a/ns/b/sa/c".try_into().unwrap()));
    params.serialize_request(&key).unwrap().der().to_vec()
}

#[test]
fn keys_of_all_kinds_are_taken() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let key = keys::generate(kind).unwrap();
        let request = CertificateRequest::from_pem(&make(&key, None).unwrap()).unwrap();
        assert_eq!(rcgen::PublicKeyData::der_bytes(request.key()), key.public_key_raw(), "{kind:?}");
    }
    CertificateRequest::from_pem(ED25519).unwrap();
}

#[test]
fn weak_keys_are_refused() {
    let refused = |pem| CertificateRequest::from_pem(pem).unwrap_err();
    assert!(matches!(refused(RSA_1024), Error::WeakKey(why) if why.contains("1024")));
    assert!(matches!(refused(RSA_SHA1), Error::WeakKey(why) if why.contains("SHA-1")));
    assert!(matches!(refused(P521), Error::Unsupported(_)));
}

#[test]
fn a_request_that_was_changed_is_refused() {
    let mut der = request();
    let last = der.len() - 3;
    der[last] ^= 1;
    assert_eq!(CertificateRequest::from_der(&der).unwrap_err(), Error::Signature);
}

#[test]
fn what_is_too_large_is_not_even_read() {
    let pem = "a".repeat(10 << 20);
    assert!(CertificateRequest::from_pem(&pem).unwrap_err().to_string().contains("bytes"));
}

#[test]
fn something_else_is_refused() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"] {
        assert!(CertificateRequest::from_pem(pem).is_err(), "{pem}");
    }
    let mut followed = request();
    followed.push(0);
    assert!(CertificateRequest::from_der(&followed).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(CertificateRequest::from_der(&bytes).is_err());
    }

    /// Around what is signed there are bytes that the parser does not look at, such as the tag of the algorithm: changing those proves no
    /// less. What is read must be what was signed.
    #[test]
    fn no_change_of_a_request_passes_for_signed(at in 0_usize..300, to in any::<u8>()) {
        let der = request();
        let (_, parsed) = X509CertificationRequest::from_der(&der).unwrap();
        let info = parsed.certification_request_info.raw;
        let from = info.as_ptr() as usize - der.as_ptr() as usize;
        let at = at % der.len();
        let mut changed = der.clone();
        changed[at] = to;
        let read = CertificateRequest::from_der(&changed);
        if (from..from + info.len()).contains(&at) {
            prop_assert_eq!(read.is_ok(), der[at] == to);
        }
        if let Ok(read) = read {
            let signed = CertificateRequest::from_der(&der).unwrap();
            prop_assert_eq!(read.key(), signed.key());
        }
    }
}
