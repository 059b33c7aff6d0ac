//! One stream of Envoy's.
//!
//! In: Envoy's requests and the control plane's responses. Out: each to the other, as they are. What Envoy accepts is kept; what the agent
//! itself asked for stays here. When the control plane does not answer at all, what was kept does: see [`super::offline`].

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use mesh_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    google::rpc,
};
use prost::Message as _;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tonic::{Status, Streaming};

use super::{Relay, offline, own::Taken, upstream};
use crate::health::Known;

/// How long a connection may take, as in Istio's agent.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an Envoy without any configuration waits for the first response before it is given what was kept.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Requests before the first response: there is one for each type.
const MOST_UNANSWERED: usize = 256;
/// Responses that Envoy has not answered: there should be one for each type.
const MOST_PENDING: usize = 64;

/// Secrets come from the agent, and are never kept with the rest.
pub(super) const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// In requests of this type the workload's health is told.
const HEALTH: &str = "type.googleapis.com/istio.v1.HealthInformation";
/// gRPC's `INTERNAL`.
const INTERNAL: i32 = 13;

/// Envoy's half of a stream.
pub(super) struct Envoy {
    pub(super) requests: Streaming<Bytes>,
    pub(super) responses: mpsc::Sender<Result<Bytes, Status>>,
}

/// Runs a stream to its end, which an error tells to Envoy.
pub(super) async fn run(relay: Relay, mut envoy: Envoy) -> Result<(), Status> {
    let opened = match timeout(CONNECT_WITHIN, upstream::open(&relay.0)).await {
        Ok(opened) => opened.map_err(|error| Status::unavailable(error.to_string())),
        Err(_) => Err(Status::unavailable(format!("no connection within {CONNECT_WITHIN:?}"))),
    };
    let mut live = Live::new(&relay);
    let reason = match opened {
        Ok(upstream) => match live.run(upstream, &mut envoy).await {
            Outcome::EnvoyGone => return Ok(()),
            Outcome::Broken(status) => {
                tracing::info!(reason = status.message(), "the stream to the control plane has ended");
                return Err(Status::unavailable(status.message().to_owned()));
            }
            Outcome::NoAnswer(status) => status,
        },
        Err(status) => status,
    };
    relay.missed();
    tracing::warn!(reason = reason.message(), code = ?reason.code(), "the control plane can't be reached");
    let unanswered = live.unanswered;
    offline::run(relay, envoy, unanswered, reason).await
}

enum Outcome {
    EnvoyGone,
    /// After the first response.
    Broken(Status),
    /// Before it.
    NoAnswer(Status),
}

/// The next thing that is known of the workload's health.
async fn changed(health: &mut Option<watch::Receiver<Known>>) -> Result<(), String> {
    while let Some(health) = health
        && health.changed().await.is_ok()
    {
        if let Some(well) = health.borrow_and_update().clone() {
            return well;
        }
    }
    std::future::pending().await
}

/// What Istio's agents send, too: it is not answered.
fn report(well: Result<(), String>) -> Bytes {
    let error_detail =
        well.err().map(|message| rpc::Status { code: INTERNAL, message, ..Default::default() });
    let request = DeltaDiscoveryRequest { type_url: HEALTH.into(), error_detail, ..Default::default() };
    request.encode_to_vec().into()
}

/// A stream that is relayed.
struct Live<'a> {
    relay: &'a Relay,
    /// Requests until the first response, for whoever answers them instead.
    unanswered: Vec<Bytes>,
    answered: bool,
    /// Whether Envoy has configuration from an earlier stream.
    fresh: bool,
    asked_for_own: bool,
    /// Responses that Envoy has neither accepted nor refused, by nonce.
    pending: HashMap<String, Bytes>,
    /// Types of which everything is told anew: what was kept of them is void once the first response is accepted.
    anew: Vec<String>,
    seen: Vec<String>,
    health: Option<watch::Receiver<Known>>,
}

impl<'a> Live<'a> {
    fn new(relay: &'a Relay) -> Self {
        Self {
            relay,
            unanswered: Vec::new(),
            answered: false,
            fresh: true,
            asked_for_own: false,
            pending: HashMap::new(),
            anew: Vec::new(),
            seen: Vec::new(),
            // Each stream is told anew, whoever is at its other end.
            health: relay.0.health.clone().map(|mut health| {
                health.mark_changed();
                health
            }),
        }
    }

    async fn run(&mut self, mut upstream: upstream::Upstream, envoy: &mut Envoy) -> Outcome {
        let late = Instant::now() + ANSWER_WITHIN;
        loop {
            tokio::select! {
                request = envoy.requests.message() => {
                    let Ok(Some(request)) = request else { return Outcome::EnvoyGone };
                    if !self.answered {
                        self.unanswered.push(request.clone());
                    }
                    if self.unanswered.len() > MOST_UNANSWERED {
                        return Outcome::NoAnswer(Status::unavailable("the control plane does not answer"));
                    }
                    self.hear(&request);
                    // When this fails, the other half says why.
                    let _ = upstream.requests.send(request).await;
                    if !self.asked_for_own {
                        self.asked_for_own = true;
                        for own in &self.relay.0.own {
                            let _ = upstream.requests.send(own.subscribe()).await;
                        }
                    }
                }
                well = changed(&mut self.health), if self.asked_for_own => {
                    let _ = upstream.requests.send(report(well)).await;
                }
                response = upstream.next() => {
                    let response = match response {
                        Ok(Some(response)) => response,
                        Ok(None) => return self.ended(Status::unavailable("the control plane ends the stream")),
                        Err(status) => return self.ended(status),
                    };
                    if !self.answered {
                        self.answered = true;
                        self.unanswered = Vec::new();
                        self.relay.reached();
                    }
                    let Ok(decoded) = DeltaDiscoveryResponse::decode(response.clone()) else {
                        return Outcome::Broken(Status::internal("the control plane sent what is no response"));
                    };
                    if let Some(own) = self.relay.0.own.iter().find(|own| own.type_url() == decoded.type_url) {
                        let (answer, taken) = own.hear(&decoded);
                        match taken {
                            Taken::Nothing => {}
                            Taken::Changes => self.relay.0.store.accepted(response),
                            Taken::Whole => {
                                self.relay.0.store.forget(own.type_url());
                                self.relay.0.store.accepted(response);
                            }
                        }
                        let _ = upstream.requests.send(answer).await;
                        continue;
                    }
                    if decoded.type_url != SECRET && self.pending.len() < MOST_PENDING {
                        self.pending.insert(decoded.nonce, response.clone());
                    }
                    if envoy.responses.send(Ok(response)).await.is_err() {
                        return Outcome::EnvoyGone;
                    }
                }
                () = sleep_until(late), if !self.answered && self.fresh => {
                    return Outcome::NoAnswer(Status::unavailable(format!("no answer within {ANSWER_WITHIN:?}")));
                }
            }
        }
    }

    fn ended(&self, status: Status) -> Outcome {
        match self.answered {
            true => Outcome::Broken(status),
            false => Outcome::NoAnswer(status),
        }
    }

    /// Keeps what Envoy accepts, and sees what it begins anew.
    fn hear(&mut self, request: &Bytes) {
        // What can't be read is the control plane's to refuse.
        let Ok(request) = DeltaDiscoveryRequest::decode(request.clone()) else { return };
        let DeltaDiscoveryRequest {
            node: _,
            type_url,
            resource_names_subscribe,
            resource_names_unsubscribe,
            initial_resource_versions,
            response_nonce,
            error_detail,
            ..
        } = request;
        if !initial_resource_versions.is_empty() {
            self.fresh = false;
        }
        if !self.seen.contains(&type_url) {
            let everything = resource_names_subscribe.is_empty()
                || resource_names_subscribe.iter().any(|name| name == "*");
            if everything && initial_resource_versions.is_empty() {
                self.anew.push(type_url.clone());
            }
            self.seen.push(type_url.clone());
        }
        if let Some(response) = self.pending.remove(&response_nonce)
            && error_detail.is_none()
        {
            if let Some(at) = self.anew.iter().position(|anew| *anew == type_url) {
                self.anew.swap_remove(at);
                self.relay.0.store.forget(&type_url);
            }
            self.relay.0.store.accepted(response);
        }
        if !resource_names_unsubscribe.is_empty() && type_url != SECRET {
            let removed = DeltaDiscoveryResponse {
                type_url,
                removed_resources: resource_names_unsubscribe,
                ..Default::default()
            };
            self.relay.0.store.accepted(removed.encode_to_vec().into());
        }
    }
}
