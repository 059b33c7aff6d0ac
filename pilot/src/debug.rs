//! Debug endpoints, on loopback only: who is connected and how far, what each proxy is meant to have, what is wrong.

mod explain;

use crate::Pilot;
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use mesh_model::{ObjectRef, Problem};
use pilot_status::Condition;
use pilot_xds::resource::{Protocol, ResourceType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The routes.
pub fn routes(pilot: Pilot) -> Router {
    Router::new()
        .route("/debug/syncz", get(syncz))
        .route("/debug/config_dump", get(config_dump))
        .route("/debug/problems", get(problems))
        .route("/debug/status", get(status))
        .route("/debug/explain", get(explain::explain))
        .with_state(pilot)
}

/// One type of one proxy, in `/debug/syncz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeState {
    /// `cds`, `eds`, `lds`, `rds` or `vhds`.
    pub r#type: String,
    /// Sequence number of the publication that was sent last.
    pub sent: u64,
    /// Sequence number of the publication that was acknowledged last.
    pub acked: u64,
    /// Whether a response waits for its acknowledgement.
    pub in_flight: bool,
    /// Responses that the proxy rejected.
    pub rejects: u64,
}

/// One proxy, in `/debug/syncz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyState {
    /// `<pod>.<namespace>`.
    pub proxy: String,
    /// Its node id.
    pub node_id: String,
    /// `delta` or `sotw`.
    pub protocol: String,
    /// For how long it has been connected.
    pub connected_seconds: u64,
    /// Whether it has acknowledged all that it is meant to have.
    pub synced: bool,
    /// By type, those that it subscribes to.
    pub types: Vec<TypeState>,
    /// Node metadata that has no effect, each with what becomes of it.
    #[serde(default)]
    pub ignored: Vec<String>,
}

/// Every connected proxy, by name.
pub fn proxy_states(pilot: &Pilot) -> Vec<ProxyState> {
    let ignored = pilot.publisher().ignored_metadata();
    let mut states: Vec<ProxyState> = pilot
        .xds()
        .sync
        .list()
        .into_iter()
        .map(|status| {
            let wanted = pilot.publisher().snapshot(&status.proxy).map(|snapshot| snapshot.sequence);
            ProxyState {
                synced: wanted.is_some_and(|wanted| {
                    status.acked_sequence >= wanted && status.types.iter().any(|of| of.subscribed)
                }),
                ignored: ignored.get(&*status.proxy).map(|all| all.to_vec()).unwrap_or_default(),
                proxy: status.proxy.to_string(),
                node_id: status.node_id.to_string(),
                protocol: match status.protocol {
                    Protocol::Delta => "delta".into(),
                    Protocol::Sotw => "sotw".into(),
                },
                connected_seconds: status.connected_since.elapsed().unwrap_or_default().as_secs(),
                types: ResourceType::ALL
                    .iter()
                    .map(|kind| (kind, status.types[kind.index()]))
                    .filter(|(_, of)| of.subscribed)
                    .map(|(kind, of)| TypeState {
                        r#type: kind.label().into(),
                        sent: of.version_sent,
                        acked: of.version_acked,
                        in_flight: of.in_flight(),
                        rejects: of.rejects,
                    })
                    .collect(),
            }
        })
        .collect();
    states.sort_by(|a, b| a.proxy.cmp(&b.proxy));
    states
}

async fn syncz(State(pilot): State<Pilot>) -> Json<Vec<ProxyState>> {
    Json(proxy_states(&pilot))
}

#[derive(Deserialize)]
struct WhichProxy {
    #[serde(rename = "proxyID")]
    proxy_id: Option<String>,
}

async fn config_dump(
    State(pilot): State<Pilot>,
    Query(WhichProxy { proxy_id }): Query<WhichProxy>,
) -> Response {
    let Some(name) = proxy_id else {
        return (StatusCode::BAD_REQUEST, "say which proxy: ?proxyID=<pod>.<namespace>\n").into_response();
    };
    match dump(&pilot, &name) {
        Some(Ok(dump)) => Json(dump).into_response(),
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        None => {
            let known: Vec<String> = proxy_states(&pilot).into_iter().map(|state| state.proxy).collect();
            let text =
                format!("no proxy named {name:?} is connected here; connected are: {}\n", known.join(", "));
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}

/// What the proxy is meant to have: `{"cds": [...], ...}`, each in order of name.
fn dump(pilot: &Pilot, name: &str) -> Option<Result<Value, mesh_proto::reflect::Error>> {
    let snapshot = pilot.publisher().snapshot(name)?;
    // The inline form of route configurations says nothing that the others do not.
    let kinds = ResourceType::ALL.into_iter().filter(|kind| *kind != ResourceType::InlineRoute);
    let dumped = kinds.map(|kind| {
        let mut resources: Vec<_> = snapshot.resources(kind).collect();
        resources.sort_by(|a, b| a.name().cmp(b.name()));
        let resources: Result<Vec<Value>, _> = resources
            .into_iter()
            .map(|resource| {
                let config = match kind {
                    // Whoever may look here may not have keys for that.
                    ResourceType::Secret => Value::String("[hidden]".to_owned()),
                    _ => mesh_proto::json::to_json(kind.type_url(), &resource.message())?,
                };
                Ok(json!({ "name": &**resource.name(), "version": &**resource.version(), "config": config }))
            })
            .collect();
        Ok((kind.label().to_owned(), Value::Array(resources?)))
    });
    Some(dumped.collect::<Result<Map<String, Value>, _>>().map(Value::Object))
}

/// What proxies reject, on the objects that it was made from.
pub fn rejections(pilot: &Pilot) -> BTreeMap<String, Vec<Problem>> {
    let mut problems: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for rejection in pilot.xds().rejections.report() {
        let proxies: Vec<&str> = rejection.proxies.iter().take(3).map(|name| &**name).collect();
        let kept = if rejection.last_good.is_some() {
            "they keep the last good version"
        } else {
            "they have none of it"
        };
        let message = format!(
            "{} {:?} is rejected by {} proxies ({}): {}; {kept}",
            rejection.kind.label(),
            rejection.name,
            rejection.proxies.len(),
            proxies.join(", "),
            rejection.message
        );
        for origin in rejection.origins.iter() {
            let problem = Problem::error(mesh_model::Reason::Rejected, "", message.clone());
            problems.entry(origin.to_string()).or_default().push(problem);
        }
    }
    problems
}

async fn problems(State(pilot): State<Pilot>) -> Json<Value> {
    let conflicts: BTreeMap<String, Vec<Problem>> = pilot
        .publisher()
        .conflicts()
        .into_iter()
        .map(|(object, problems): (ObjectRef, _)| (object.to_string(), problems))
        .collect();
    Json(json!({
        "report": *pilot.report(),
        "conflicts": conflicts,
        "rejections": rejections(&pilot),
    }))
}

#[derive(Deserialize)]
struct WhichObject {
    kind: String,
    namespace: String,
    name: String,
}

/// What the status of an object would say: also of one from a file, which has no status to write to.
async fn status(
    State(pilot): State<Pilot>,
    Query(WhichObject { kind, namespace, name }): Query<WhichObject>,
) -> Json<Vec<Condition>> {
    let row = pilot_ingest::kinds::KINDS.iter().find(|row| row.kind.as_str() == kind);
    let said = row.and_then(|row| pilot.status(&ObjectRef::new(row.kind, namespace, name)));
    Json(said.into_iter().flatten().collect())
}
