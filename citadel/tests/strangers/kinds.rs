//! Keys of every kind: an authority of each kind signs for workloads of each, and openssl and TLS take what it makes.

use citadel::{Config, RootConfig};
use mesh_pki::{Credential, keys, keys::KeyKind, request};

use crate::{
    HOUR,
    port::{Proof, openssl_text, openssl_verify, order},
    serve_with,
};

/// Each kind, and what openssl says of a key of it.
const KINDS: [(KeyKind, &str); 3] = [
    (KeyKind::P256, "ASN1 OID: prime256v1"),
    (KeyKind::P384, "ASN1 OID: secp384r1"),
    (KeyKind::Rsa2048, "Public-Key: (2048 bit)"),
];

#[tokio::test(flavor = "multi_thread")]
async fn authorities_of_each_kind_sign_for_keys_of_each_kind() {
    for (authority, _) in KINDS {
        let (served, tokens) = serve_with(|config| {
            let root = RootConfig { key: authority, ..RootConfig::default() };
            Config { root, ..config }
        })
        .await;
        let token = tokens.token("shop", "web", HOUR).unwrap();
        let signed = match authority {
            KeyKind::P256 => "Signature Algorithm: ecdsa-with-SHA256",
            KeyKind::P384 => "Signature Algorithm: ecdsa-with-SHA384",
            KeyKind::Rsa2048 | KeyKind::Rsa4096 => "Signature Algorithm: sha256WithRSAEncryption",
        };
        for (kind, says) in KINDS {
            let key = keys::generate(kind).unwrap();
            let csr = request::make(&key, None).unwrap();
            let chain = served.ask(Proof::token(&token), order(&csr)).await.unwrap();
            openssl_verify(&chain).unwrap();
            let text = openssl_text(&chain[0]).unwrap();
            assert!(text.contains(signed) && text.contains(says), "{authority:?} {kind:?}: {text}");
            // It is good for TLS, too, and is renewed by itself.
            let credential = Credential::from_pem(&chain[0], &key.serialize_pem()).unwrap();
            served.ask(Proof::credential(&credential), order(&csr)).await.unwrap();
        }
    }
}
