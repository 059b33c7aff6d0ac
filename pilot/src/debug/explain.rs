//! `/debug/explain`: what becomes of a request of a connected proxy, and why.
//!
//! In: who asks and what. Out: the explanation, for people and for programs. From the mesh as it is published now, which is what
//! proxies have or are about to have.

use crate::Pilot;
use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use pilot_view::explain::{Request, Scene, choose};
use serde::Deserialize;
use serde_json::{Value, json};

/// A request as the query string says it.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    /// Who sends it: a pod, a Deployment or an application, with `.namespace` if need be.
    from: String,
    url: String,
    method: Option<String>,
    /// A line each, `name: value`.
    #[serde(default)]
    headers: String,
    /// The address or socket that the client connects to, if not the address that DNS says.
    destination: Option<String>,
}

pub(super) async fn explain(State(pilot): State<Pilot>, Query(question): Query<Question>) -> Response {
    match answer(&pilot, question) {
        Ok(answer) => Json(answer).into_response(),
        Err(message) => (StatusCode::BAD_REQUEST, format!("{message}\n")).into_response(),
    }
}

fn answer(pilot: &Pilot, question: Question) -> Result<Value, String> {
    let Question { from, url, method, headers, destination } = question;
    let mut request = Request::get(&url).map_err(|error| error.to_string())?;
    request.destination = destination.map(|text| text.parse()).transpose()?;
    if let Some(method) = method {
        request.method = method;
    }
    for line in headers.lines() {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}` is no header"))?;
        request.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let proxies = pilot.publisher().proxies();
    let proxy = choose(&proxies, &from).map_err(|error| error.among_connected().to_string())?;
    let (mesh, report) = (pilot.mesh().borrow().clone(), pilot.report());
    let explanation =
        Scene::new(&mesh, proxy, &|object| report.sources.get(object).cloned()).explain(&request);
    Ok(json!({ "text": explanation.to_string(), "explanation": explanation }))
}
