//! Structural OpenAPI schemas of the kinds' specs, and checks of untyped objects against them.
//!
//! In: the Rust types and JSON values. Out: schemas as an API server wants them, unknown fields, and wrong
//! types. It must not know what any field means, and it must never fail on a value, whatever it is.

mod check;
mod nearest;
mod node;
mod path;
pub(crate) mod rules;
mod stored;
mod structural;
mod unknown;
mod words;

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde_json::Value;

use crate::conditions::IstioStatus;
use crate::kind::Kind;
use crate::networking::{
    DestinationRuleSpec, ProxyConfigSpec, ServiceEntrySpec, ServiceEntryStatus, SidecarSpec,
    VirtualServiceSpec, WorkloadEntrySpec, WorkloadGroupSpec,
};
use crate::security::PeerAuthenticationSpec;

pub use check::{TypeError, check_types, check_types_in};
pub use stored::as_stored;
pub use unknown::{UnknownField, unknown_fields, unknown_fields_in};

/// The structural schema of a kind's `spec`, as it stands in the CRD.
pub fn schema_for(kind: Kind) -> &'static Value {
    macro_rules! cached {
        ($spec:ty) => {{
            static SCHEMA: LazyLock<Value> = LazyLock::new(structural::of::<$spec>);
            &SCHEMA
        }};
    }
    match kind {
        Kind::VirtualService => cached!(VirtualServiceSpec),
        Kind::DestinationRule => cached!(DestinationRuleSpec),
        Kind::ServiceEntry => cached!(ServiceEntrySpec),
        Kind::WorkloadEntry => cached!(WorkloadEntrySpec),
        Kind::WorkloadGroup => cached!(WorkloadGroupSpec),
        Kind::Sidecar => cached!(SidecarSpec),
        Kind::ProxyConfig => cached!(ProxyConfigSpec),
        Kind::PeerAuthentication => cached!(PeerAuthenticationSpec),
    }
}

/// The structural schema of a type that is no kind, such as what a ConfigMap holds as text, or of one of Kubernetes' own kinds.
pub fn schema_of<T: JsonSchema>() -> Value {
    structural::of::<T>()
}

/// The structural schema of a kind's `status`, as it stands in the CRD.
pub(crate) fn status_schema_for(kind: Kind) -> Value {
    match kind {
        Kind::ServiceEntry => structural::of::<ServiceEntryStatus>(),
        Kind::VirtualService
        | Kind::DestinationRule
        | Kind::WorkloadEntry
        | Kind::WorkloadGroup
        | Kind::Sidecar
        | Kind::ProxyConfig
        | Kind::PeerAuthentication => structural::of::<IstioStatus>(),
    }
}
