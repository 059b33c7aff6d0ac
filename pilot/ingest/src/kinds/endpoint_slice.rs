//! EndpointSlice.

use super::Model;
use crate::{at::At, decode::decode, meta::Meta, values::parse_port};
use k8s_openapi::api::discovery::v1 as api;
use mesh_model::{Health, NamespacedName, Reason, Str};
use serde::Deserialize;
use serde_json::Value;
use std::{net::IpAddr, sync::Arc};

/// Endpoints of a Service, or a part of them.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSlice {
    /// The Service.
    pub service: NamespacedName,
    /// Ports, the same for all endpoints.
    pub ports: Vec<SlicePort>,
    /// Endpoints; those that are gone already are left out.
    pub endpoints: Vec<SliceEndpoint>,
}

/// A port of a slice.
#[derive(Debug, Clone, PartialEq)]
pub struct SlicePort {
    /// Name of the Service's port.
    pub name: Str,
    /// Port on the pod.
    pub number: u16,
}

/// An endpoint of a slice.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceEndpoint {
    /// Its addresses; Kubernetes says they are interchangeable, and uses the first.
    pub address: IpAddr,
    /// Whether it may be sent requests.
    pub health: Health,
    /// The pod behind it, when it is one.
    pub pod: Option<NamespacedName>,
    /// Its node.
    pub node: Str,
    /// Its zone, for endpoints whose node is not known.
    pub zone: Str,
    /// Its own name below the Service's.
    pub hostname: Str,
}

const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Kubernetes' EndpointSlice without metadata, which has been read already, and with more patience.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiSlice {
    address_type: String,
    endpoints: Option<Vec<api::Endpoint>>,
    ports: Option<Vec<api::EndpointPort>>,
}

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let ApiSlice { address_type, endpoints, ports } = decode(value, at)?;
    let namespace = &meta.metadata.object.name.namespace;
    let Some(service) = meta.labels.get(SERVICE_NAME) else {
        if meta.is_from_file() {
            at.field("metadata").field("labels").warning_hint(
                Reason::Required,
                "no Service is named, so these endpoints belong to nothing",
                format!("add the label {SERVICE_NAME}"),
            );
        }
        return None;
    };
    // Names are resolved by nobody here; Istio passes them over, too.
    if address_type == "FQDN" {
        return None;
    }
    let at_ports = at.field("ports");
    let ports = ports
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .filter_map(|(index, port)| {
            let api::EndpointPort { app_protocol: _, name, port, protocol: _ } = port;
            // A port without number means "all ports", which only other consumers use.
            let number = parse_port(port?, &at_ports.index(index).field("port"))?;
            Some(SlicePort { name: name.unwrap_or_default().into(), number })
        })
        .collect();
    let at_endpoints = at.field("endpoints");
    let endpoints = endpoints
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .filter_map(|(index, endpoint)| parse_endpoint(endpoint, namespace, &at_endpoints.index(index)))
        .collect();
    let service = NamespacedName::new(namespace.clone(), service.clone());
    Some(Model::EndpointSlice(Arc::new(EndpointSlice { service, ports, endpoints })))
}

fn parse_endpoint(endpoint: api::Endpoint, namespace: &Str, at: &At<'_>) -> Option<SliceEndpoint> {
    let api::Endpoint {
        addresses,
        conditions,
        deprecated_topology: _,
        // Hints choose endpoints for kube-proxy; a sidecar chooses by locality.
        hints: _,
        hostname,
        node_name,
        target_ref,
        zone,
    } = endpoint;
    let api::EndpointConditions { ready, serving, terminating } = conditions.unwrap_or_default();
    let ready = ready.unwrap_or(true);
    let health = match (ready, serving.unwrap_or(ready), terminating.unwrap_or(false)) {
        (true, _, _) => Health::Healthy,
        (false, true, true) => Health::Draining,
        // Going away and not answering any more: nobody has a use for it.
        (false, false, true) => return None,
        (false, _, false) => Health::Unhealthy,
    };
    let text = addresses.first()?;
    let Ok(address) = text.parse() else {
        let at = at.field("addresses");
        at.index(0).error_hint(
            Reason::InvalidValue,
            format!("`{text}` is not an IP address"),
            "write an address such as 10.1.2.3",
        );
        return None;
    };
    let pod = target_ref.filter(|target| target.kind.as_deref() == Some("Pod")).and_then(|target| {
        let namespace = target.namespace.map_or_else(|| namespace.clone(), Str::from);
        Some(NamespacedName::new(namespace, target.name?))
    });
    Some(SliceEndpoint {
        address,
        health,
        pod,
        node: node_name.unwrap_or_default().into(),
        zone: zone.unwrap_or_default().into(),
        hostname: hostname.unwrap_or_default().into(),
    })
}
