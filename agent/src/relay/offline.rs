//! Answers in the control plane's place, from what Envoy accepted earlier.
//!
//! In: what was kept, and Envoy's requests. Out: what it asks for and does not have. It says nothing of what it does not know, and ends the
//! stream when the control plane is back: Envoy then says what it has, and gets the differences.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use mesh_proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource};
use prost::Message as _;
use tonic::Status;

use super::{
    Relay,
    stream::{Envoy, SECRET},
};
use crate::state::Snapshot;

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
const VIRTUAL_HOST: &str = "type.googleapis.com/envoy.config.route.v3.VirtualHost";

/// Serves a stream for as long as the control plane is away. `unanswered` was asked before that was known, `reason` is why it is.
pub(super) async fn run(
    relay: Relay,
    mut envoy: Envoy,
    unanswered: Vec<Bytes>,
    reason: Status,
) -> Result<(), Status> {
    let snapshot = relay.0.store.read().await;
    if !snapshot.has(CLUSTER) {
        return Err(reason);
    }
    for own in &relay.0.own {
        own.restore(snapshot.resources(own.type_url()));
    }
    tracing::warn!(
        "the proxy is given the configuration that it last accepted, until the control plane is back"
    );
    let mut offline = Offline::new(snapshot);
    let mut unanswered = unanswered.into_iter();
    let mut returned = std::pin::pin!(relay.returned());
    loop {
        let request = match unanswered.next() {
            Some(request) => request,
            None => tokio::select! {
                request = envoy.requests.message() => match request {
                    Ok(Some(request)) => request,
                    _ => return Ok(()),
                },
                () = &mut returned => return Err(Status::unavailable("the control plane is back")),
            },
        };
        let request = DeltaDiscoveryRequest::decode(request)
            .map_err(|error| Status::invalid_argument(format!("no request: {error}")))?;
        for response in offline.hear(request) {
            if envoy.responses.send(Ok(response.encode_to_vec().into())).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// What a stream has asked for and been told.
struct Offline {
    snapshot: Snapshot,
    asked: HashMap<String, Asked>,
    responses: u64,
}

#[derive(Default)]
struct Asked {
    everything: bool,
    names: BTreeSet<String>,
    /// Versions that Envoy has.
    has: BTreeMap<String, String>,
}

impl Asked {
    fn wants(&self, name: &str) -> bool {
        self.everything || self.names.contains(name)
    }
}

impl Offline {
    fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, asked: HashMap::new(), responses: 0 }
    }

    fn hear(&mut self, request: DeltaDiscoveryRequest) -> Vec<DeltaDiscoveryResponse> {
        let DeltaDiscoveryRequest {
            node: _,
            type_url,
            resource_names_subscribe,
            resource_names_unsubscribe,
            initial_resource_versions,
            response_nonce: _,
            error_detail,
            ..
        } = request;
        if let Some(error) = error_detail {
            tracing::warn!(type_url, message = error.message, "Envoy refuses what it accepted earlier");
        }
        let is_first = !self.asked.contains_key(&type_url);
        let asked = self.asked.entry(type_url.clone()).or_default();
        let begins_with_everything = is_first
            && (resource_names_subscribe.is_empty()
                || resource_names_subscribe.iter().any(|name| name == "*"));
        asked.everything |= begins_with_everything;
        asked.has.extend(initial_resource_versions);
        for name in resource_names_unsubscribe {
            asked.names.remove(&name);
            asked.has.remove(&name);
        }
        let mut new: BTreeSet<String> =
            resource_names_subscribe.into_iter().filter(|name| name != "*").collect();
        asked.names.extend(new.iter().cloned());
        if begins_with_everything {
            new.extend(self.snapshot.resources(&type_url).map(|resource| resource.name.clone()));
        }
        if type_url == SECRET {
            let has = &self.asked.entry(type_url).or_default().has;
            new.retain(|name| !has.contains_key(name));
            return if new.is_empty() { Vec::new() } else { vec![self.deny(new)] };
        }
        let due = self.due(&type_url, &new);
        let mut responses = Vec::new();
        // A type of which there is nothing is told so once: Envoy waits for it otherwise.
        if !due.is_empty() || begins_with_everything {
            let told: BTreeSet<String> = due.iter().map(|resource| resource.name.clone()).collect();
            responses.push(self.respond(&type_url, due));
            responses.extend(self.follow(&type_url, &told));
        }
        responses
    }

    /// Those of `names` that are known, and that Envoy does not have as they are.
    fn due(&mut self, type_url: &str, names: &BTreeSet<String>) -> Vec<Resource> {
        let asked = self.asked.entry(type_url.to_owned()).or_default();
        let known = names.iter().filter_map(|name| self.snapshot.resource(type_url, name));
        let due: Vec<Resource> = known
            .filter(|resource| asked.has.get(&resource.name) != Some(&resource.version))
            .cloned()
            .collect();
        asked.has.extend(due.iter().map(|resource| (resource.name.clone(), resource.version.clone())));
        due
    }

    fn respond(&mut self, type_url: &str, resources: Vec<Resource>) -> DeltaDiscoveryResponse {
        self.responses += 1;
        DeltaDiscoveryResponse {
            system_version_info: "kept".to_owned(),
            type_url: type_url.to_owned(),
            nonce: format!("kept-{}", self.responses),
            resources,
            ..Default::default()
        }
    }

    /// Keys are not kept. Said so, Envoy does not wait for them with all else: what needs one fails until the control plane is back.
    fn deny(&mut self, names: BTreeSet<String>) -> DeltaDiscoveryResponse {
        let removed_resources = names.into_iter().collect();
        DeltaDiscoveryResponse { removed_resources, ..self.respond(SECRET, Vec::new()) }
    }

    /// What must come after `told`, whether Envoy has it or not: it takes a route configuration without its virtual hosts, and a changed
    /// cluster waits for its endpoints.
    fn follow(&mut self, type_url: &str, told: &BTreeSet<String>) -> Option<DeltaDiscoveryResponse> {
        let (follower, belongs): (_, fn(&str, &BTreeSet<String>) -> bool) = match type_url {
            ROUTE => {
                (VIRTUAL_HOST, |name, told| name.match_indices('/').any(|(at, _)| told.contains(&name[..at])))
            }
            CLUSTER => (ENDPOINTS, |name, told| told.contains(name)),
            _ => return None,
        };
        let asked = self.asked.get(follower)?;
        let resources: Vec<Resource> = self
            .snapshot
            .resources(follower)
            .filter(|resource| asked.wants(&resource.name) && belongs(&resource.name, told))
            .cloned()
            .collect();
        (!resources.is_empty()).then(|| self.respond(follower, resources))
    }
}

#[cfg(test)]
mod tests;
