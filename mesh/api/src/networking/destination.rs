//! `destination`: the service, subset and port that traffic is sent to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A service of the mesh, optionally narrowed to a subset and a port.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Host of a Kubernetes Service or ServiceEntry. A short name is completed with the namespace of the
    /// object that holds it, so a full name is safer.
    pub host: String,
    /// Name of a subset in the host's DestinationRule.
    pub subset: Option<String>,
    /// Port of the service. May be left out when the service has a single port.
    pub port: Option<PortSelector>,
}

/// A port given by number.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PortSelector {
    /// Port number of the service, not of the container.
    pub number: Option<u32>,
}
