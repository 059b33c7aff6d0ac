//! The mesh's certificate authority: workloads prove who they are and get certificates that say so.
//!
//! In: certificate requests with a token or an older certificate, and the authority's own material from a Secret. Out: certificates,
//! the trusted roots in every namespace, and warnings long before anything expires. It knows Kubernetes, but nothing of xDS or Envoy.
//!
//! `service` takes the call, `authenticate` finds out who calls, `limits` how often, `issue` has it signed by the `authority`; `root` is
//! where that comes from and how it changes, `publish` and `report` tell others.

pub mod authenticate;
pub mod authority;
mod caller;
mod config;
mod guard;
mod impersonate;
pub mod issue;
mod ledger;
mod limits;
pub mod local;
mod metrics;
mod publish;
mod replicas;
pub mod report;
pub mod root;
mod service;
mod serving;
mod start;
mod trust;

pub use authenticate::{Authenticator, Clusters, KeySource, OidcRule, Refusal, RequireCaller, TrustDomain};
pub use authority::Authority;
pub use caller::{Caller, Pod, Proof};
pub use config::{Config, MeshIdentity, MoreTrust, Place, RootConfig, ServingSigner, server_names};
pub use impersonate::NodeAccount;
pub use issue::{AuthorityElsewhere, Signer, SignerName};
pub use ledger::{Ledger, Standing};
pub use limits::Limits;
pub use local::LocalTokens;
pub use metrics::Metrics;
pub use publish::{REVOCATIONS_CONFIG_MAP, REVOCATIONS_KEY, ROOTS_CONFIG_MAP, ROOTS_KEY};
pub use replicas::REPLICAS_CONFIG_MAP;
pub use report::Report;
pub use service::Lifetimes;
pub use start::{Citadel, LEASE_NAME, StartError, start};
