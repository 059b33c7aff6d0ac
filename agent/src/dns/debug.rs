//! What is known of names, for people: `GET /debug/ndsz`, for those on this machine.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{ConnectInfo, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::Names;

impl Names {
    /// Shows them.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().route("/debug/ndsz", get(show)).with_state(self)
    }

    /// All names, as Istio's agents show them: `{"table": {"<name>": {"ips": [..]}}}`.
    fn to_json(&self) -> Value {
        let name = |name: &str, addresses: Vec<String>| (name.to_owned(), json!({ "ips": addresses }));
        let table: BTreeMap<String, Value> = self.map(|host, entry| {
            let v4 = entry.v4.iter().map(ToString::to_string);
            name(host, v4.chain(entry.v6.iter().map(ToString::to_string)).collect())
        });
        json!({ "table": table })
    }
}

async fn show(State(names): State<Arc<Names>>, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return (StatusCode::FORBIDDEN, "only requests from this machine are taken\n").into_response();
    }
    match names.is_known() {
        true => Json(names.to_json()).into_response(),
        false => (StatusCode::NOT_FOUND, "the control plane has told no names yet\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::Request,
    };
    use mesh_proto::istio::networking::nds::v1::{NameTable, name_table::NameInfo};
    use prost::Message as _;
    use tower::ServiceExt as _;

    use super::{super::Zone, *};

    async fn shown(names: &Arc<Names>, from: &str) -> (StatusCode, String) {
        let mut request = Request::get("/debug/ndsz").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(from.parse::<SocketAddr>().unwrap()));
        let response = names.clone().router().oneshot(request).await.unwrap();
        let status = response.status();
        (status, String::from_utf8(to_bytes(response.into_body(), 4096).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn only_those_on_this_machine_see_names() {
        let names = Arc::new(Names::new(Zone::default()));
        assert_eq!(shown(&names, "127.0.0.1:1").await.0, StatusCode::NOT_FOUND);
        let info = NameInfo { ips: vec!["10.0.0.1".into(), "fd00::1".into()], ..NameInfo::default() };
        let name = NameTable { name_info: Some(info), ..NameTable::default() }.encode_to_vec();
        names.update([("web.test", &*name)], []).unwrap();
        let (status, text) = shown(&names, "[::ffff:127.0.0.1]:1").await;
        assert_eq!(
            (status, &*text),
            (StatusCode::OK, r#"{"table":{"web.test":{"ips":["10.0.0.1","fd00::1"]}}}"#)
        );
        assert_eq!(shown(&names, "10.1.1.1:1").await.0, StatusCode::FORBIDDEN);
    }
}
