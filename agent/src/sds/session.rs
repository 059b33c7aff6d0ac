//! What one stream wants and has.
//!
//! In: requests, and what secrets are made of. Out: responses with what is wanted and was not sent in its current version. No IO.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use mesh_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};

use super::{
    files,
    secrets::{Now, ROOTS, TYPE_URL, build, is_known},
};
use mesh_proto::google::protobuf::Any;

/// Names that a stream may ask for in vain before it is no longer told.
const MOST: usize = 16;

/// One stream.
#[derive(Debug, Default)]
pub(super) struct Session {
    wanted: BTreeSet<String>,
    /// Versions by name.
    sent: BTreeMap<String, String>,
    /// Wanted in vain, and not told yet.
    unknown: Vec<String>,
    responses: u64,
}

/// A secret to send.
struct Due {
    name: String,
    version: String,
    secret: Any,
}

/// The two forms of the protocol.
pub(super) trait Form: Send + Sync + 'static {
    /// What Envoy says.
    type Request: Send + 'static;
    /// What it is told.
    type Response: Send + 'static;

    /// Takes a request in.
    fn hear(session: &mut Session, request: Self::Request);

    /// What is to be sent, if anything is.
    fn answer(session: &mut Session, now: &Now) -> Option<Self::Response>;
}

/// All names with each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct StateOfTheWorld;

/// Names that come and go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delta;

impl Session {
    fn want(&mut self, name: String) {
        if !is_known(&name) {
            tracing::warn!(name, "Envoy asks for a secret that a workload does not have");
            if self.unknown.len() < MOST {
                self.unknown.push(name);
            }
            return;
        }
        self.wanted.insert(name);
    }

    fn due(&mut self, now: &Now) -> Vec<Due> {
        let mut due = Vec::new();
        for name in &self.wanted {
            let Some((version, secret)) = build(now, name) else { continue };
            if self.sent.get(name) != Some(&version) {
                self.sent.insert(name.clone(), version.clone());
                due.push(Due { name: name.clone(), version, secret });
            }
        }
        due
    }

    /// The files that what is wanted is in; `revocations` is that of the mesh.
    pub(super) fn files(&self, revocations: Option<&Path>) -> Vec<PathBuf> {
        let of_mesh = revocations.filter(|_| self.wanted.contains(ROOTS)).map(Path::to_owned);
        self.wanted.iter().flat_map(|name| files::paths(name)).chain(of_mesh).collect()
    }

    fn nonce(&mut self) -> String {
        self.responses += 1;
        self.responses.to_string()
    }
}

/// A refused secret is not sent again: Envoy goes on with the one before, and the next one may do better.
fn tell_refusal(message: Option<&str>) {
    if let Some(message) = message {
        tracing::error!(message, "Envoy refuses a secret");
    }
}

impl Form for StateOfTheWorld {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn hear(session: &mut Session, request: DiscoveryRequest) {
        tell_refusal(request.error_detail.as_ref().map(|status| &*status.message));
        session.wanted.clear();
        request.resource_names.into_iter().for_each(|name| session.want(name));
        let wanted = &session.wanted;
        session.sent.retain(|name, _| wanted.contains(name));
        // This form has no words for what is not there.
        session.unknown.clear();
    }

    fn answer(session: &mut Session, now: &Now) -> Option<DiscoveryResponse> {
        let due = session.due(now);
        let versions: Vec<&str> = due.iter().map(|due| &*due.version).collect();
        let version_info = versions.join("+");
        let resources: Vec<_> = due.into_iter().map(|due| due.secret).collect();
        (!resources.is_empty()).then(|| DiscoveryResponse {
            version_info,
            resources,
            type_url: TYPE_URL.to_owned(),
            nonce: session.nonce(),
            ..Default::default()
        })
    }
}

impl Form for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn hear(session: &mut Session, request: DeltaDiscoveryRequest) {
        tell_refusal(request.error_detail.as_ref().map(|status| &*status.message));
        for name in request.resource_names_unsubscribe {
            session.wanted.remove(&name);
            session.sent.remove(&name);
        }
        for name in request.resource_names_subscribe {
            // Who asks again is answered again.
            session.sent.remove(&name);
            session.want(name);
        }
        for (name, version) in request.initial_resource_versions {
            if session.wanted.contains(&name) {
                session.sent.insert(name, version);
            }
        }
    }

    fn answer(session: &mut Session, now: &Now) -> Option<DeltaDiscoveryResponse> {
        let resources: Vec<_> = session
            .due(now)
            .into_iter()
            .map(|Due { name, version, secret }| Resource {
                resource: Some(secret),
                name,
                version,
                ..Default::default()
            })
            .collect();
        let removed_resources = std::mem::take(&mut session.unknown);
        (!resources.is_empty() || !removed_resources.is_empty()).then(|| DeltaDiscoveryResponse {
            resources,
            removed_resources,
            type_url: TYPE_URL.to_owned(),
            nonce: session.nonce(),
            ..Default::default()
        })
    }
}
