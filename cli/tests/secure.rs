//! `meltemi control-plane` in a cluster: certificates and configuration on the port with TLS, and what `meltemi ca` says of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

use std::{
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use hyper_util::rt::TokioIo;
use mesh_pki::{Credential, TrustBundle, keys, keys::KeyKind, request, tls};
use mesh_proto::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{
            DeltaDiscoveryRequest, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    },
    istio::v1::auth::{
        IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient,
    },
    string_struct,
};
use mesh_testkit::{
    ApiServer, eventually,
    ports::{HeldPort, Loopback},
};
use tokio::net::TcpStream;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};

const WITHIN: Duration = Duration::from_secs(60);

/// A control plane; killed when dropped.
struct ControlPlane {
    child: Mutex<Child>,
    /// What it says.
    log: tempfile::NamedTempFile,
    secure: SocketAddr,
    monitoring: SocketAddr,
    _loopback: Loopback,
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn meltemi(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meltemi")).args(arguments).output().unwrap()
}

impl ControlPlane {
    fn start(server: &ApiServer, namespace: &str) -> Result<Self> {
        let loopback = Loopback::claim()?;
        // All are held before any is let go: none is given out twice.
        let (plain, secure, monitoring) = (loopback.port()?, loopback.port()?, loopback.port()?);
        let [plain, secure, monitoring] = [plain, secure, monitoring].map(HeldPort::release);
        let log = tempfile::NamedTempFile::new()?;
        let child = Command::new(env!("CARGO_BIN_EXE_meltemi"))
            .args([
                "control-plane",
                "--no-status",
                "--http-addr",
                "",
                "--namespace",
                namespace,
                "--kubeconfig",
            ])
            .arg(server.kubeconfig_path())
            .args(["--grpc-addr", &plain.to_string(), "--secure-grpc-addr", &secure.to_string()])
            .args(["--monitoring-addr", &monitoring.to_string()])
            .stderr(Stdio::from(log.reopen()?))
            .spawn()?;
        Ok(Self { child: Mutex::new(child), log, secure, monitoring, _loopback: loopback })
    }

    /// How it is, for whom it does not answer.
    fn state(&self) -> String {
        let ended = self.child.lock().unwrap().try_wait();
        let said = std::fs::read_to_string(self.log.path()).unwrap_or_default();
        format!("the control plane (ended: {ended:?}) said:\n{said}")
    }

    async fn connect(&self, roots: &TrustBundle, credential: Option<&Credential>) -> Result<Channel> {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls::client(roots, credential)?));
        let address = self.secure;
        let connect = tower::service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let socket = TcpStream::connect(address).await?;
                let name = "localhost".try_into().map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, socket).await?))
            }
        });
        let connected = Endpoint::from_static("http://control-plane").connect_with_connector(connect).await;
        connected.with_context(|| self.state())
    }
}

/// Opens a stream as a proxy that says this of itself, and tells how it goes.
async fn stream(channel: Channel, namespace: &str, account: &str) -> Result<String, Status> {
    let node = Node {
        id: format!("sidecar~10.0.0.1~web-0.{namespace}~{namespace}.svc.cluster.local"),
        metadata: Some(string_struct([("NAMESPACE", namespace), ("SERVICE_ACCOUNT", account)])),
        ..Node::default()
    };
    let first = DeltaDiscoveryRequest {
        node: Some(node),
        type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    // A stream that stays open, as a proxy's does.
    let requests = futures::StreamExt::chain(futures::stream::iter([first]), futures::stream::pending());
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let mut responses = client.delta_aggregated_resources(Request::new(requests)).await?.into_inner();
    Ok(responses.message().await?.map(|response| response.type_url).unwrap_or_default())
}

/// Gets a certificate by `token`, or by the certificate that `channel` shows if that is empty.
async fn enrol(channel: &Channel, token: &str) -> Result<Credential> {
    let key = keys::generate(KeyKind::P256)?;
    let order = IstioCertificateRequest { csr: request::make(&key, None)?, ..Default::default() };
    let mut order = Request::new(order);
    if !token.is_empty() {
        order.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    }
    let mut client = IstioCertificateServiceClient::new(channel.clone());
    let chain = client.create_certificate(order).await?.into_inner().cert_chain;
    let (_, chain) = chain.split_last().context("an empty chain")?;
    Ok(Credential::from_pem(&chain.concat(), &key.serialize_pem())?)
}

/// A root that ends in 20 days, as people make one: certificate and key.
fn ending_root(directory: &std::path::Path, name: &str) -> Result<[std::path::PathBuf; 2]> {
    let [certificate, key] = ["pem", "key"].map(|kind| directory.join(format!("{name}.{kind}")));
    let output = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 20".split(' '))
        .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-subj", &format!("/CN={name}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok([certificate, key])
}

#[tokio::test(flavor = "multi_thread")]
async fn mesh_settings_say_who_workloads_are_and_what_ends_soon_is_told() {
    // Of its own: another authority would publish other roots.
    let Some(server) = ApiServer::own().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("istio-system").await?;
        let directory = tempfile::tempdir()?;
        let [root, key] = ending_root(directory.path(), "corporate")?;
        let [peer, _] = ending_root(directory.path(), "peer")?;
        let file = |name: &str, path: &std::path::Path| format!("--from-file={name}={}", path.display());
        let files = [file("tls.crt", &root), file("tls.key", &key), file("ca.crt", &root)];
        let secret = ["create", "secret", "generic", "cacerts", "-n", namespace];
        server
            .kubectl(&secret.into_iter().chain(files.iter().map(String::as_str)).collect::<Vec<_>>())
            .await?;
        let say = async |settings: serde_json::Value| {
            let map = serde_json::json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": { "name": "istio", "namespace": namespace },
                "data": { "mesh": settings.to_string() },
            });
            server.kubectl_apply(&map.to_string()).await
        };
        say(serde_json::json!({ "trustDomain": "example.org" })).await?;
        let plane = ControlPlane::start(&server, namespace)?;
        let roots = TrustBundle::from_pem(&std::fs::read_to_string(&root)?)?;
        server.kubectl(&["create", "serviceaccount", "web", "-n", namespace]).await?;
        let token =
            server.kubectl(&["create", "token", "web", "-n", namespace, "--audience=istio-ca"]).await?;
        let first =
            eventually(WITHIN, async || Ok(enrol(&plane.connect(&roots, None).await?, token.trim()).await?));
        let first = first.await?;
        ensure!(first.facts().uris == [format!("spiffe://example.org/ns/{namespace}/sa/web")], "{first:?}");

        // Renamed, and with roots of a peer: taken without a restart, and the old name is still somebody.
        let peers = std::fs::read_to_string(&peer)?;
        say(serde_json::json!({
            "trustDomain": "mesh.example",
            "trustDomainAliases": ["example.org"],
            "caCertificates": [{ "pem": peers }],
        }))
        .await?;
        eventually(WITHIN, async || {
            let renewed = enrol(&plane.connect(&roots, Some(&first)).await?, "").await?;
            ensure!(renewed.facts().uris == [format!("spiffe://mesh.example/ns/{namespace}/sa/web")]);
            let path = "jsonpath={.data.root-cert\\.pem}";
            let args = ["get", "configmap", "istio-ca-root-cert", "-n", namespace, "-o", path];
            let published = TrustBundle::from_pem(&server.kubectl(&args).await?)?;
            ensure!(published.contains(&TrustBundle::from_pem(&peers)?) && published.contains(&roots));
            Ok(())
        })
        .await?;

        let address = plane.monitoring.to_string();
        let output = meltemi(&["ca", "status", "--workloads", "--address", &address]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.code() == Some(1), "{output:?}");
        for expected in [
            "plugged in",
            "CN=corporate",
            "trusted root",
            "CN=peer",
            "ends soon: renew it now",
            "mesh.example",
        ] {
            ensure!(said.contains(expected), "no {expected} in {said}");
        }
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_gets_a_certificate_and_with_it_its_own_configuration() {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("istio-system").await?;
        let plane = ControlPlane::start(server, namespace)?;
        let address = plane.monitoring.to_string();
        let roots = eventually(WITHIN, async || {
            let path = "jsonpath={.data.root-cert\\.pem}";
            let args = ["get", "configmap", "istio-ca-root-cert", "-n", namespace, "-o", path];
            Ok(TrustBundle::from_pem(&server.kubectl(&args).await?)?)
        })
        .await?;
        eventually(WITHIN, async || {
            let output = meltemi(&["ca", "status", "--address", &address]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(output.status.success() && said.contains("self-signed, root: steady"), "{output:?}");
            Ok(())
        })
        .await?;

        server.kubectl(&["create", "serviceaccount", "web", "-n", namespace]).await?;
        let token =
            server.kubectl(&["create", "token", "web", "-n", namespace, "--audience=istio-ca"]).await?;
        let anonymous = plane.connect(&roots, None).await?;
        let credential = enrol(&anonymous, token.trim()).await?;

        // Each part of the tree of certificates has a metric, and every workload's certificate is listed.
        eventually(WITHIN, async || {
            let page = mesh_runtime::admin_client::get(plane.monitoring, "/metrics").await?;
            let page = String::from_utf8_lossy(&page).into_owned();
            for part in ["root", "signer", "serving", "workload"] {
                let name = format!("citadel_expiry_timestamp{{certificate=\"{part}\"}} ");
                ensure!(page.contains(&name), "no {name} in {page}");
            }
            for name in [
                "citadel_server_root_cert_expiry_timestamp",
                "citadel_server_cert_chain_expiry_timestamp",
                "citadel_certificates_in_use 1",
                "citadel_certificates_overdue 0",
            ] {
                ensure!(page.contains(name), "no {name} in {page}");
            }
            Ok(())
        })
        .await?;
        let output = meltemi(&["ca", "status", "--workloads", "--address", &address]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for expected in
            [&format!("spiffe://cluster.local/ns/{namespace}/sa/web") as &str, "root ", "serving "]
        {
            ensure!(said.contains(expected), "no {expected} in {said}");
        }

        let own = eventually(WITHIN, async || {
            let channel = plane.connect(&roots, Some(&credential)).await?;
            Ok(stream(channel, namespace, "web").await?)
        });
        ensure!(own.await?.ends_with("Cluster"));
        let channel = plane.connect(&roots, Some(&credential)).await?;
        for (namespace, account) in [(namespace.as_str(), "admin"), ("kube-system", "web")] {
            let status = stream(channel.clone(), namespace, account).await.expect_err(account);
            ensure!(status.code() == Code::PermissionDenied, "{namespace} {account}: {status:?}");
        }
        let status = stream(anonymous, namespace, "web").await.expect_err("no proof");
        ensure!(status.code() == Code::Unauthenticated, "{status:?}");

        let kubeconfig = server.kubeconfig_path().to_str().context("a path of UTF-8")?;
        let output = meltemi(&["ca", "rotate", "--kubeconfig", kubeconfig, "--namespace", namespace]);
        ensure!(output.status.success(), "{output:?}");
        eventually(WITHIN, async || {
            let output = meltemi(&["ca", "status", "--address", &address]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(said.contains("distributing the next root"), "{said}");
            Ok(())
        })
        .await
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
