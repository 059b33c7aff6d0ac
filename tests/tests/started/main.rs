//! What proxies are started with: the tracer that they tell of requests, beside providers of the mesh; their threads and environment. In
//! a process and a mesh of its own: proxies are started anew.

#![allow(clippy::expect_used)]

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use meltemi_local::ADMIN_PORT;
use mesh_runtime::admin_client::get;
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::{Request, Traffic, on_shared_mesh};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Proxies send what they have every five seconds, and may have to be started anew before.
const SOON: Duration = Duration::from_secs(40);

fn mesh_settings(settings: &str) -> String {
    let settings = settings.replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
         data:\n  mesh: |\n    {settings}\n"
    )
}

/// Takes what Zipkin takes, and what collectors of OTLP do, and keeps it as text.
async fn collect(listener: TcpListener, told: Arc<Mutex<String>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let told = told.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]);
                told.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                // The end of a body in chunks.
                if text.ends_with("0\r\n\r\n") {
                    let _ = stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
                }
            }
        });
    }
}

/// Takes what collectors of OTLP take over gRPC, likewise.
async fn collect_grpc(listener: TcpListener, told: Arc<Mutex<String>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let told = told.clone();
        let answer = service_fn(move |request: http::Request<Incoming>| {
            let told = told.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let key = head
                    .headers
                    .get("x-key")
                    .map(|key| format!(" x-key: {}", key.to_str().unwrap_or_default()));
                let text = format!(
                    "{}{} {}",
                    head.uri.path(),
                    key.unwrap_or_default(),
                    String::from_utf8_lossy(&body)
                );
                told.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                let answer = http::Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "0")
                    .body(Empty::<Bytes>::new());
                Ok::<_, hyper::Error>(answer.expect("a response"))
            }
        });
        tokio::spawn(
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer),
        );
    }
}

/// Both ends of a request tell of it, with the tags that the mesh asks for; and how many connections proxies take.
#[test]
fn settings_of_the_mesh_start_proxies() {
    on_shared_mesh(include_str!("../settings/base.yaml"), async |traffic| {
        let address = Loopback::claim()?;
        let listener = TcpListener::bind((address.ip(), 9411)).await?;
        let told = Arc::new(Mutex::new(String::new()));
        tokio::spawn(collect(listener, told.clone()));
        let listener = TcpListener::bind((address.ip(), 4317)).await?;
        tokio::spawn(collect_grpc(listener, told.clone()));
        let collector = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: collector, namespace: set}}\n\
             spec:\n  hosts: [collector.example.com]\n  resolution: STATIC\n  location: MESH_EXTERNAL\n\
             \x20 ports: [{{number: 9411, name: http, protocol: HTTP}}, {{number: 4317, name: grpc, protocol: GRPC}}]\n\
             \x20 endpoints: [{{address: {}}}]\n",
            address.ip()
        );
        traffic.apply("collector.yaml", &collector).await?;
        let tags = "customTags: {team: {literal: {value: shop}}, path: {header: {name: ':path'}}}";
        let provided = format!(
            "extensionProviders: [{{name: spans, zipkin: {{service: collector.example.com, port: 9411}}}}]\n\
             defaultProviders: {{tracing: [spans]}}\n\
             defaultConfig: {{tracing: {{sampling: 100, {tags}}}}}"
        );
        let started = format!(
            "enableTracing: true\n\
             defaultConfig: {{tracing: {{sampling: 100, zipkin: {{address: '{}:9411'}}, {tags}}}}}",
            address.ip()
        );
        let otlp = provided.replace(
            "zipkin: {service: collector.example.com, port: 9411}",
            "opentelemetry: {service: collector.example.com, port: 9411, http: {path: /v1/traces}}",
        );
        let otlp_grpc = provided.replace(
            "zipkin: {service: collector.example.com, port: 9411}",
            "opentelemetry: {service: collector.example.com, port: 4317, grpc: {initialMetadata: [{name: x-key, value: a}]}}",
        );
        let zipkin = |path: &str| {
            [
                format!("\"path\":\"{path}\""),
                "\"team\":\"shop\"".to_owned(),
                "\"istio.namespace\":\"set\"".to_owned(),
                "\"istio.canonical_revision\":\"latest\"".to_owned(),
                "\"kind\":\"CLIENT\"".to_owned(),
                "\"kind\":\"SERVER\"".to_owned(),
            ]
        };
        // Protobuf, in which texts stand as they are. Each end has a name of its own.
        let in_protobuf = ["POST /v1/traces", "/otlp", "team", "istio.namespace", "client.set", "app.set"]
            .map(str::to_owned);
        let mut in_grpc = in_protobuf.clone();
        in_grpc[0] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export x-key: a".to_owned();
        in_grpc[1] = "/by-grpc".to_owned();
        for (settings, path, wanted) in [
            (provided.clone(), "/provided", zipkin("/provided")),
            (started, "/started", zipkin("/started")),
            (otlp, "/otlp", in_protobuf),
            (otlp_grpc, "/by-grpc", in_grpc),
        ] {
            traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
            eventually(SOON, async || {
                let url = format!("http://app.set{path}");
                Request::get(&url)?.send(traffic.proxy("client-0")?).await?;
                let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let missing: Vec<_> = wanted.iter().filter(|text| !told.contains(*text)).collect();
                ensure!(missing.is_empty(), "{path}: {missing:?} are missing in {told}");
                Ok(())
            })
            .await?;
            told.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        // In this test, because the settings are everybody's.
        spans_as_asked_for(traffic, &told, &provided).await?;
        let admin = SocketAddr::new(traffic.proxy("client-0")?.ip(), ADMIN_PORT);
        let limit = "defaultConfig: {connectionSettings: {globalDownstreamConnectionLimit: 7001}}";
        traffic.apply("mesh.yaml", &mesh_settings(limit)).await?;
        eventually(SOON, async || {
            let body = get(admin, "/config_dump").await?;
            let dump = String::from_utf8_lossy(&body);
            ensure!(dump.contains("\"max_active_downstream_connections\": \"7001\""), "another limit");
            Ok(())
        })
        .await?;
        traffic.remove("mesh.yaml").await?;
        traffic.remove("collector.yaml").await
    });
}

/// How spans are posted, and how much they tell.
async fn spans_as_asked_for(traffic: &Traffic, told: &Mutex<String>, provided: &str) -> Result<()> {
    let settings = provided
        .replace(
            "port: 9411",
            "port: 9411, path: /spans, headers: [{name: x-key, value: a}], enable64bitTraceId: true, maxTagLength: 12, \
             traceContextOption: USE_B3_WITH_W3C_PROPAGATION",
        )
        .replace("sampling:", "enableIstioTags: false, sampling:");
    traffic.apply("mesh.yaml", &mesh_settings(&settings)).await?;
    eventually(SOON, async || {
        let request = Request::get("http://app.set/short-and-no-longer")?;
        let answer = request.send(traffic.proxy("client-0")?).await?;
        let seen = answer.echo.as_ref().and_then(|echo| echo.request.as_ref());
        let passed_on = seen.is_some_and(|seen| seen.headers.contains_key("traceparent"));
        ensure!(passed_on, "traces go on by the headers of W3C, too: {}", answer.summary());
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let as_asked_for = told.split("POST /spans ").skip(1).any(|post| {
            let mut ids = post.split("\"traceId\":\"").skip(1);
            ids.all(|rest| rest.find('"') == Some(16))
                && post.contains("x-key: a")
                && post.contains("\"path\":\"/short-and-no-longer\"")
                && post.contains("\"http.url\":\"http://app.set/short-and-n\"")
                && !post.contains("istio.namespace")
        });
        ensure!(as_asked_for, "spans otherwise: {told}");
        Ok(())
    })
    .await
}

/// A ProxyConfig of the namespace, under one of the workload.
const STARTED: &str = "\
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: all, namespace: set}
spec: {concurrency: 3, environmentVariables: {ISTIO_META_TEAM: all, ISTIO_META_FLOOR: '1'}}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: client, namespace: set}
spec:
  selector: {matchLabels: {app: client}}
  concurrency: 2
  environmentVariables: {ISTIO_META_TEAM: shop}
";

#[test]
fn proxies_are_started_as_proxy_configs_say() {
    on_shared_mesh(include_str!("../settings/base.yaml"), async |traffic| {
        traffic.apply("started.yaml", STARTED).await?;
        let admin = SocketAddr::new(traffic.proxy("client-0")?.ip(), ADMIN_PORT);
        eventually(SOON, async || {
            let body = get(admin, "/server_info").await?;
            let info: serde_json::Value = serde_json::from_slice(&body)?;
            let metadata = &info["node"]["metadata"];
            let told = (
                &info["command_line_options"]["concurrency"],
                &metadata["TEAM"],
                &metadata["FLOOR"],
                &metadata["NAMESPACE"],
            );
            let wanted = (&json!(2), &json!("shop"), &json!("1"), &json!("set"));
            ensure!(told == wanted, "{told:?}");
            Ok(())
        })
        .await?;
        traffic.remove("started.yaml").await
    });
}
