//! An Envoy that holds only what it uses: it has no listeners and no clusters from the control plane, but a filter that asks
//! for a cluster when the first request needs it.
//!
//! Nobody made it for this control plane: its bootstrap is a stock one, and of its node only the id says who it is, and that nobody hands
//! it certificates.

use crate::run;
use anyhow::{Context, Result, ensure};
use mesh_testkit::{Envoy, SweptDir, ports::Loopback};
use mesh_tests::traffic::{Outside, Request, Traffic};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
};

#[test]
fn clusters_come_with_the_first_request() {
    run(fetched_on_first_use);
}

async fn fetched_on_first_use(traffic: &'static Traffic) -> Result<()> {
    let outside = Outside::start("lazy", &BTreeMap::from([("v1".to_owned(), 2)])).await?;
    let service = outside.service_entry("lazy", "lazy.test");
    traffic.apply("lazy.yaml", &service).await?;

    let (loopback, directory) = (Loopback::claim()?, SweptDir::new("meltemi-on-demand-")?);
    let listener = loopback.port()?.release();
    let routes = directory.path().join("routes.json");
    fs::write(&routes, route_configuration().to_string())?;
    let bootstrap = bootstrap(traffic.pilot().grpc_address(), listener, &routes);
    let Some(envoy) = Envoy::start(&bootstrap.to_string()).await else { return Ok(()) };
    ensure!(clusters(&envoy).await?.is_empty(), "nothing was asked for yet");

    // The first request waits for the cluster, and the cluster for its endpoints.
    let ask = async |host: &str| Request::get(&format!("http://{host}/"))?.send(listener).await;
    let answer = ask("app").await?;
    ensure!(answer.status == 200 && !answer.version().is_empty(), "{}", answer.summary());
    let app = "outbound|80||app.traffic.svc.cluster.local".to_owned();
    ensure!(clusters(&envoy).await? == BTreeSet::from([app.clone()]));
    // So does the next host's, which another name means as well.
    let answer = ask("lazy.test").await?;
    ensure!(answer.status == 200 && answer.version() == "v1", "{}", answer.summary());
    let lazy = "outbound|80||lazy.test".to_owned();
    ensure!(clusters(&envoy).await? == BTreeSet::from([app, lazy]));
    ensure!(ask("app.traffic.svc.cluster.local").await?.status == 200);
    // Who is unknown stays so.
    ensure!(ask("nobody.example.com").await?.status == 404);

    // What was fetched is kept up to date.
    let last = outside.addresses().pop().context("an address")?.to_string();
    let fewer: Vec<&str> = service.lines().filter(|line| !line.contains(&last)).collect();
    traffic.apply("lazy.yaml", &(fewer.join("\n") + "\n")).await?;
    let mut pods = BTreeSet::new();
    for _ in 0..20 {
        pods.insert(ask("lazy.test").await?.pod().to_owned());
    }
    ensure!(pods == BTreeSet::from(["v1-0".to_owned()]), "{pods:?}");
    Ok(())
}

/// The clusters that the control plane gave it.
async fn clusters(envoy: &Envoy) -> Result<BTreeSet<String>> {
    let text = envoy.admin_get("/clusters").await?;
    let names = text.lines().filter_map(|line| line.split_once("::")).map(|(name, _)| name.to_owned());
    Ok(names.filter(|name| name != "xds").collect())
}

fn ads() -> Value {
    json!({ "ads": {}, "resource_api_version": "V3" })
}

/// Without a virtual host `*`, which would take the requests that are to be asked about.
fn route_configuration() -> Value {
    json!({ "version_info": "1", "resources": [{
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": "80",
        "vhds": { "config_source": ads() },
    }] })
}

fn bootstrap(xds: SocketAddr, listener: SocketAddr, routes: &Path) -> Value {
    json!({
        "node": {
            "id": "sidecar~10.9.9.9~lazy.traffic~traffic.svc.cluster.local",
            "cluster": "lazy",
            "metadata": { "MELTEMI_WITHOUT_IDENTITY": "true" },
        },
        "dynamic_resources": { "ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds" } }],
        } },
        "static_resources": {
            "listeners": [{
                "name": "lazy",
                "address": address(listener),
                "filter_chains": [{ "filters": [{ "name": "http", "typed_config": http(routes) }] }],
            }],
            "clusters": [{
                "name": "xds",
                "type": "STATIC",
                "load_assignment": { "cluster_name": "xds", "endpoints": [{
                    "lb_endpoints": [{ "endpoint": { "address": address(xds) } }],
                }] },
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": { "http2_protocol_options": {} },
                    },
                },
            }],
        },
    })
}

fn http(routes: &Path) -> Value {
    let on_demand = "type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand";
    let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    json!({
        "@type": manager,
        "stat_prefix": "lazy",
        "rds": {
            "route_config_name": "80",
            "config_source": { "path_config_source": { "path": routes }, "resource_api_version": "V3" },
        },
        "http_filters": [
            { "name": "on_demand", "typed_config": {
                "@type": on_demand,
                "odcds": { "source": ads(), "timeout": "5s" },
            } },
            { "name": "router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            } },
        ],
    })
}

fn address(socket: SocketAddr) -> Value {
    json!({ "socket_address": { "address": socket.ip().to_string(), "port_value": socket.port() } })
}
