//! Istio's kinds as Kubernetes custom resources.
//!
//! Types that serde reads from a watch or a file, with the documentation of each field; the CRDs generated
//! from them; checks of untyped objects against the same schema, for readable errors; and the names of
//! Istio's conditions. What configuration means is not known here.

pub mod conditions;
pub mod crd;
pub mod decode;
pub mod duration;
pub mod kind;
pub mod networking;
pub mod schema;
pub mod security;

pub use crd::crds;
pub use decode::{DecodeError, decode};
pub use duration::{Duration, DurationError};
pub use kind::Kind;
pub use networking::{
    DestinationRule, DestinationRuleSpec, ProxyConfig, ProxyConfigSpec, ServiceEntry, ServiceEntrySpec,
    Sidecar, SidecarSpec, VirtualService, VirtualServiceSpec, WorkloadEntry, WorkloadEntrySpec,
    WorkloadGroup, WorkloadGroupSpec,
};
pub use schema::{
    TypeError, UnknownField, as_stored, check_types, check_types_in, schema_for, schema_of, unknown_fields,
    unknown_fields_in,
};
pub use security::{PeerAuthentication, PeerAuthenticationSpec};
