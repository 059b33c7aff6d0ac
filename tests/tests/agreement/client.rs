//! A sidecar that a client asks as its HTTP proxy: the bootstrap of the one, the connection of the other.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use pilot_view::explain::Request;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Which rule, as VirtualServices say it.
    pub rule: Option<String>,
    /// Which cluster, as Envoy says it.
    pub cluster: Option<String>,
    /// Which endpoint, as it says itself.
    pub endpoint: Option<String>,
    pub location: Option<String>,
    /// The text of answers by Envoy itself, shown when it is not the expected one.
    #[expect(dead_code, reason = "for messages of failing tests")]
    pub body: String,
}

/// A connection that is kept.
pub struct Client {
    proxy: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

impl Client {
    pub async fn connect(proxy: SocketAddr) -> Result<Self> {
        Ok(Self { proxy, sender: open(proxy).await? })
    }

    pub async fn send(&mut self, request: &Request) -> Result<Answer> {
        let Request { scheme, method, authority, path, headers, destination: _ } = request;
        let mut message = http::Request::builder()
            .method(method.as_str())
            .uri(format!("{scheme}://{authority}{path}"))
            .header("host", authority);
        for (name, value) in headers {
            message = message.header(name, value);
        }
        let message = message.body(Empty::new())?;
        if self.sender.ready().await.is_err() {
            self.sender = open(self.proxy).await?;
        }
        let (head, body) = self.sender.send_request(message).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let header =
            |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned()).filter(|text| text != "-");
        Ok(Answer {
            status: head.status.as_u16(),
            rule: header("x-rule"),
            cluster: header("x-cluster"),
            endpoint: header("x-endpoint"),
            location: header("location"),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

async fn open(proxy: SocketAddr) -> Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(proxy).await.context("connect to Envoy")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A sidecar that nothing is redirected to, with an HTTP proxy at `listener`.
pub fn bootstrap(xds: SocketAddr, listener: SocketAddr, pod: &str, namespace: &str) -> Value {
    let ads = json!({ "ads": {}, "resource_api_version": "V3" });
    let address = json!({ "socket_address": { "address": xds.ip().to_string(), "port_value": xds.port() } });
    let options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "node": {
            "id": format!("sidecar~{}~{pod}.{namespace}~{namespace}.svc.cluster.local", listener.ip()),
            "cluster": pod,
            "metadata": {
                "NAME": pod,
                "NAMESPACE": namespace,
                "LABELS": { "app": pod },
                "INTERCEPTION_MODE": "NONE",
                "MELTEMI_WITHOUT_IDENTITY": "true",
                "MELTEMI_APPLICATION_ADDRESS": listener.ip().to_string(),
                "HTTP_PROXY_PORT": listener.port().to_string(),
            },
        },
        "dynamic_resources": {
            "lds_config": ads.clone(),
            "cds_config": ads,
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds" } }],
            },
        },
        "static_resources": { "clusters": [{
            "name": "xds",
            "type": "STATIC",
            "load_assignment": { "cluster_name": "xds", "endpoints": [{
                "lb_endpoints": [{ "endpoint": { "address": address } }],
            }] },
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": options,
                    "explicit_http_config": { "http2_protocol_options": {} },
                },
            },
        }] },
    })
}
