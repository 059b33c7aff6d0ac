//! What is spoken on a SPIFFE Workload API: the messages of its one method that is used.
//!
//! The service is in no protobuf package, and three messages need no generator. A test has the proto itself.

use std::collections::BTreeMap;

/// Nothing is asked in particular.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct X509SvidRequest {}

/// All identities of a workload.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct X509SvidResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) svids: Vec<X509Svid>,
    /// Revocation lists, in DER.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) crl: Vec<Vec<u8>>,
    /// Roots of other trust domains, by their names.
    #[prost(btree_map = "string, bytes", tag = "3")]
    pub(super) federated_bundles: BTreeMap<String, Vec<u8>>,
}

/// One identity.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct X509Svid {
    #[prost(string, tag = "1")]
    pub(super) spiffe_id: String,
    /// The certificate and what is between it and a root, in DER, one behind the other.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) x509_svid: Vec<u8>,
    /// PKCS #8, in DER.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) x509_svid_key: Vec<u8>,
    /// The roots of its trust domain, in DER, one behind the other.
    #[prost(bytes = "vec", tag = "4")]
    pub(super) bundle: Vec<u8>,
    /// Which of several identities it is, for those who want a certain one.
    #[prost(string, tag = "5")]
    pub(super) hint: String,
}
