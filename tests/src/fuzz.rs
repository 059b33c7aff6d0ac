//! What strangers send, as functions of bytes: for the fuzzer (`fuzz/`), and for a short run with every `cargo test` (`tests/tests/fuzz.rs`).
//!
//! In: any bytes. Out: nothing; each panics when something does not hold that must hold for every input.

#![allow(clippy::expect_used, reason = "a fuzz target says what must hold by panicking")]

use std::sync::OnceLock;

use citadel::{Authenticator, LocalTokens, MeshIdentity, authenticate::Oidc};
use futures::executor::block_on;
use http::{Extensions, HeaderMap, HeaderValue};
use mesh_pki::{CertificateRequest, SpiffeId, request::ask_only_for};
use pilot::Publisher;
use pilot_xds::{Protocol, Refusal, Source, wire};
use prost::Message;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, by the names of their directories of seeds.
pub const TARGETS: [(&str, Target); 5] = [
    ("csr", csr),
    ("token", token),
    ("node_metadata", node_metadata),
    ("delta_request", delta_request),
    ("yaml", yaml),
];

/// A certificate request, in DER or in PEM: nobody asks for another's identity.
pub fn csr(bytes: &[u8]) {
    let _ = CertificateRequest::from_der(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = CertificateRequest::from_pem(text);
    let [own, other]: [SpiffeId; 2] =
        ["spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/admin"]
            .map(|id| id.parse().expect("an id"));
    let both = ask_only_for(text, &own).is_ok() && ask_only_for(text, &other).is_ok();
    assert!(!both, "one request asks for two identities");
}

/// The headers of a call: nobody is known by a token that nobody has signed.
pub fn token(bytes: &[u8]) {
    static AUTHENTICATOR: OnceLock<Authenticator> = OnceLock::new();
    let authenticator = AUTHENTICATOR.get_or_init(|| {
        let tokens = LocalTokens::new("istio-ca").expect("randomness");
        let mesh = MeshIdentity::of("cluster.local").fixed();
        Authenticator::new(mesh, vec![Oidc::new(tokens.rule())], None)
    });
    let mut headers = HeaderMap::new();
    let mut lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    for (name, value) in ["authorization", "clusterid"].into_iter().zip(lines.by_ref()) {
        headers.insert(name, value);
    }
    let known = block_on(authenticator.authenticate(&headers, &Extensions::new()));
    assert!(known.is_err(), "{known:?}");
}

/// Who a proxy says it is: whoever is let in is of the namespace and account that were proven.
pub fn node_metadata(bytes: &[u8]) {
    let Ok(node) = wire::Node::decode(bytes) else { return };
    let [own, other] = ["shop", "other"].map(|namespace| (pilot::admission(namespace, "web").0)(&node));
    assert!(own.is_err() || other.is_err(), "one node is of two namespaces");
    let publisher = Publisher::default();
    match block_on(publisher.attach(&node, Protocol::Delta, None)) {
        Ok(attachment) => assert!(!attachment.proxy_name.is_empty(), "a proxy without a name"),
        Err(Refusal::Invalid(why) | Refusal::Denied(why) | Refusal::Unavailable(why)) => {
            assert!(!why.is_empty(), "a refusal without a reason");
        }
    }
}

/// A message of a delta stream: what is read by hand is what Envoy's own definition says.
pub fn delta_request(bytes: &[u8]) {
    use mesh_proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;
    let Ok(theirs) = DeltaDiscoveryRequest::decode(bytes) else { return };
    let ours = wire::DeltaDiscoveryRequest::decode(bytes).expect("what Envoy's definition takes is read");
    assert_eq!(ours.type_url, theirs.type_url);
    assert_eq!(ours.resource_names_subscribe, theirs.resource_names_subscribe);
    assert_eq!(ours.resource_names_unsubscribe, theirs.resource_names_unsubscribe);
    assert_eq!(ours.response_nonce, theirs.response_nonce);
    assert_eq!(ours.node.map(|node| node.id), theirs.node.map(|node| node.id));
    assert_eq!(ours.error_detail.is_some(), theirs.error_detail.is_some());
}

/// A file of YAML documents: read or told what is wrong, and the same each time.
pub fn yaml(bytes: &[u8]) {
    let context = pilot_ingest::Context::default();
    let read = || format!("{:?}", pilot_ingest::parse_file(&"fuzz.yaml".into(), bytes, &context));
    let first = read();
    assert_eq!(first, read());
}
