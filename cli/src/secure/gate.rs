//! Who on other machines may use debug endpoints: callers with a token, as on the port with TLS.
//!
//! In: requests for debug endpoints. Out: whether they pass. Whoever is of the control plane's namespace may see everything; all others see
//! the configuration of proxies of their own namespace, as with Istio.

use axum::{
    extract::Query,
    http::{Uri, request::Parts},
};
use citadel::{Caller, Refusal};
use futures::future::BoxFuture;
use mesh_runtime::admin::{Denied, Gate};
use serde::Deserialize;

use super::Started;

/// Lets callers with tokens through.
pub struct DebugGate {
    /// Knows them.
    pub started: Started,
    /// The namespace of the control plane.
    pub namespace: String,
}

impl Gate for DebugGate {
    fn admit(&self, request: &Parts) -> BoxFuture<'static, Result<(), Denied>> {
        let (started, namespace) = (self.started.clone(), self.namespace.clone());
        let (headers, uri) = (request.headers.clone(), request.uri.clone());
        Box::pin(async move {
            let Some(citadel) = started.get() else {
                return Err(Denied::Unavailable(
                    "there is no certificate authority yet to ask who you are".to_owned(),
                ));
            };
            let caller = citadel.authenticate(&headers).await.map_err(|refusal| match refusal {
                Refusal::Unavailable(_) => Denied::Unavailable("callers can't be authenticated now: try again".to_owned()),
                // Which token is wrong with what helps nobody but whoever tries tokens.
                Refusal::Nothing | Refusal::Unproven(_) => Denied::Unknown(
                    "debug endpoints answer on loopback, and to callers with a token of their service account for istio-ca: use \
                     `kubectl port-forward`, or send one as `authorization: Bearer`"
                        .to_owned(),
                ),
            })?;
            if may_see(&caller, &namespace, &uri) {
                return Ok(());
            }
            Err(Denied::Forbidden(format!(
                "{} may see /debug/config_dump?proxyID=<pod>.{} only, of proxies of its own namespace",
                caller.identity,
                caller.identity.namespace()
            )))
        })
    }
}

/// The same as the endpoint reads it: what it would not understand is nobody's.
#[derive(Deserialize)]
struct WhichProxy {
    #[serde(rename = "proxyID")]
    proxy_id: String,
}

fn may_see(caller: &Caller, root: &str, uri: &Uri) -> bool {
    let own = caller.identity.namespace();
    if own == root {
        return true;
    }
    let Ok(Query(WhichProxy { proxy_id })) = Query::<WhichProxy>::try_from_uri(uri) else { return false };
    uri.path() == "/debug/config_dump"
        && proxy_id.rsplit_once('.').is_some_and(|(_, namespace)| namespace == own)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::Request;
    use citadel::{Config, LocalTokens, Metrics, Place};
    use mesh_runtime::drain;

    use super::*;

    #[tokio::test]
    async fn everybody_sees_their_own_proxies_and_the_control_plane_all() {
        let tokens = LocalTokens::new("istio-ca").unwrap();
        let config = Config { oidc: vec![tokens.rule()], ..Config::new(Place::Memory, "cluster.local") };
        let started = Started::default();
        let gate = DebugGate { started: started.clone(), namespace: "istio-system".to_owned() };
        let ask = async |token: &str, path: &str| {
            let request = Request::get(path).header("authorization", format!("Bearer {token}"));
            gate.admit(&request.body(()).unwrap().into_parts().0).await
        };
        let token = |namespace| tokens.token(namespace, "web", Duration::from_secs(60)).unwrap();
        let (system, shop) = (token("istio-system"), token("shop"));
        assert!(matches!(ask(&system, "/debug/syncz").await, Err(Denied::Unavailable(_))));

        let (_trigger, drain) = drain::channel();
        started.set(citadel::start(config, Metrics::unregistered(), &drain).await.unwrap());
        assert_eq!(ask(&system, "/debug/syncz").await, Ok(()));
        assert_eq!(ask(&shop, "/debug/config_dump?proxyID=web-0.shop").await, Ok(()));
        for path in [
            "/debug/syncz",
            "/debug/config_dump",
            "/debug/config_dump?proxyID=web-0.other",
            "/debug/config_dump?proxyID=web-0.shop.other",
            "/debug/config_dump?proxyID=shop",
            "/debug/config_dump?proxyID=a.shop&proxyID=a.other",
            "/debug/problems?proxyID=a.shop",
        ] {
            assert!(matches!(ask(&shop, path).await, Err(Denied::Forbidden(_))), "{path}");
        }
        let stranger =
            LocalTokens::new("istio-ca").unwrap().token("istio-system", "web", Duration::from_secs(60));
        for token in ["", "nonsense", stranger.unwrap().as_str()] {
            assert!(matches!(ask(token, "/debug/syncz").await, Err(Denied::Unknown(_))), "{token}");
        }
    }
}
