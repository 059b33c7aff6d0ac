//! A proxy that is connected to a control plane, and what it has been told.

use super::WITHIN;
use crate::{Told, flow};
use anyhow::{Context, Result, ensure};
use pilot::Pilot;
use pilot_xds::{
    resource::{Protocol, ResourceType},
    testing::{Envoy, TestProxy},
    wire::{DeltaDiscoveryRequest, Status},
};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio_util::sync::DropGuard;

/// A connected proxy.
pub struct Client {
    pub(super) proxy: TestProxy,
    pub(super) name: String,
    pub(super) pilot: Pilot,
    /// The port that it is connected to, if that is its own.
    pub(super) _port: Option<DropGuard>,
}

impl Client {
    /// Waits until what the proxy has meets a condition.
    ///
    /// # Errors
    /// When it does not.
    pub async fn until(&mut self, what: &str, condition: impl Fn(&Envoy) -> bool) -> Result<()> {
        let met = tokio::time::timeout(WITHIN, self.proxy.wait_until(condition)).await;
        flow::ensure_valid(&self.pilot)?;
        let met =
            met.with_context(|| format!("{what}: not within {WITHIN:?}; it has {:#?}", self.names()))?;
        ensure!(met, "{what}: the stream has ended");
        Ok(())
    }

    /// Waits for a cluster.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn until_cluster(&mut self, name: &str) -> Result<()> {
        self.until(name, |envoy| envoy.held(ResourceType::Cluster).contains_key(name)).await
    }

    /// Waits for a listener.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn until_listener(&mut self, name: &str) -> Result<()> {
        self.until(name, |envoy| envoy.held(ResourceType::Listener).contains_key(name)).await
    }

    /// Waits until the endpoints of a cluster are these, as `address:port`.
    ///
    /// # Errors
    /// When they do not become so.
    pub async fn until_endpoints(&mut self, cluster: &str, expected: &[&str]) -> Result<()> {
        let expected: BTreeSet<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        let what = format!("endpoints {expected:?} of {cluster}");
        self.until_assignment(cluster, &what, |assignment| {
            let mut found = BTreeSet::new();
            collect(assignment, &mut found);
            found == expected
        })
        .await
    }

    /// Waits until the endpoints of a cluster, as JSON of Envoy's ClusterLoadAssignment, are so.
    ///
    /// # Errors
    /// When they do not become so.
    pub async fn until_assignment(
        &mut self,
        cluster: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        self.until_message(ResourceType::Endpoints, cluster, what, is_so).await
    }

    /// Waits until a resource, as JSON of Envoy's message, is so.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn until_message(
        &mut self,
        kind: ResourceType,
        resource: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let (pilot, name) = (self.pilot.clone(), self.name.clone());
        self.until(what, |envoy| {
            let has = envoy.version(kind, resource);
            // What it has acknowledged is read where it was published.
            let Some(snapshot) = pilot.publisher().snapshot(&name) else { return false };
            let Some(resource) = snapshot.get(kind, resource) else { return false };
            let json = mesh_proto::json::to_json(kind.type_url(), &resource.message());
            has == Some(resource.version()) && is_so(&json.unwrap_or_default())
        })
        .await
    }

    /// Names of the clusters that it has.
    pub fn clusters(&self) -> BTreeSet<String> {
        self.proxy
            .look(|envoy| envoy.held(ResourceType::Cluster).keys().map(|name| name.to_string()).collect())
    }

    /// How often it has been sent clusters.
    pub fn cluster_responses(&self) -> u64 {
        self.proxy.look(|envoy| envoy.responses(ResourceType::Cluster))
    }

    /// What it is meant to have.
    ///
    /// # Errors
    /// When the control plane does not know it.
    pub fn told(&self) -> Result<Told> {
        let snapshot = self.pilot.publisher().snapshot(&self.name).context("a connected proxy")?;
        Ok(Told::new(&snapshot, Protocol::Delta))
    }

    /// Has its agent say how the workload is.
    pub fn tell_health(&self, well: Result<(), &str>) {
        self.proxy.send(DeltaDiscoveryRequest {
            type_url: "type.googleapis.com/istio.v1.HealthInformation".into(),
            error_detail: well.err().map(|message| Status { code: 13, message: message.into() }),
            ..DeltaDiscoveryRequest::default()
        });
    }

    /// Waits for the end of its stream, and tells how the control plane put it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn ended(self) -> Result<String> {
        let status = tokio::time::timeout(WITHIN, self.proxy.ended()).await.context("the stream goes on")?;
        Ok(status.map_or_else(String::new, |status| format!("{:?}: {}", status.code(), status.message())))
    }

    fn names(&self) -> Vec<String> {
        let of = |kind: ResourceType| {
            self.proxy.look(|envoy| envoy.held(kind).keys().map(|name| name.to_string()).collect::<Vec<_>>())
        };
        [ResourceType::Cluster, ResourceType::VirtualHost].into_iter().flat_map(of).collect()
    }
}

/// Addresses in a ClusterLoadAssignment, as `address:port`.
fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let (Some(Value::String(address)), Some(port)) =
                (fields.get("address"), fields.get("port_value"))
            {
                found.insert(format!("{address}:{port}"));
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}
