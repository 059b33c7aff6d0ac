//! The kinds of `security.istio.io`.
//!
//! As in `networking`: shapes, names and documentation. What a field means for who may talk to whom is decided elsewhere.

pub mod peer_authentication;

pub use peer_authentication::{MutualTls, MutualTlsMode, PeerAuthentication, PeerAuthenticationSpec};

/// The API group of every kind here.
pub const GROUP: &str = "security.istio.io";

/// The versions every kind here is served in, the stored one first. All have the same schema.
pub const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
