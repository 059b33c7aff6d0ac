//! Statuses on a real API server as users meet them: `meltemi wait` and its exit codes, and a leader that is killed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Result, ensure};
use mesh_testkit::{
    ApiServer, eventually,
    ports::{HeldPort, Loopback},
};

const WITHIN: Duration = Duration::from_secs(90);
const ROOT: &str = "istio-system";
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/crds");

/// A control plane that writes statuses; killed when dropped.
struct ControlPlane {
    child: Child,
    _loopback: Loopback,
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // SIGKILL: it has no time to give anything back.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ControlPlane {
    async fn start(server: &ApiServer, name: &str) -> Result<Self> {
        let loopback = Loopback::claim()?;
        // Both are held before either is let go: none is given out twice.
        let [xds, monitoring] = [loopback.port()?, loopback.port()?].map(HeldPort::release);
        let child = Command::new(env!("CARGO_BIN_EXE_meltemi"))
            .args(["control-plane", "--components", "pilot", "--http-addr", "", "--secure-grpc-addr", ""])
            .args(["--namespace", ROOT, "--pod-name", name, "--kubeconfig"])
            .arg(server.kubeconfig_path())
            .args(["--grpc-addr", &xds.to_string(), "--monitoring-addr", &monitoring.to_string()])
            .stderr(Stdio::null())
            .spawn()?;
        let plane = Self { child, _loopback: loopback };
        ready(monitoring).await?;
        Ok(plane)
    }
}

async fn ready(monitoring: SocketAddr) -> Result<()> {
    eventually(WITHIN, async || Ok(mesh_runtime::admin_client::get(monitoring, "/ready").await?)).await?;
    Ok(())
}

/// Runs `meltemi wait`; its exit code, what it printed, and what it complained of.
async fn wait(server: &ApiServer, arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_meltemi"));
    command.arg("wait").args(arguments).arg("--kubeconfig").arg(server.kubeconfig_path());
    let output = command.output().await?;
    let text = |bytes| String::from_utf8(bytes);
    Ok((output.status.code(), text(output.stdout)?, text(output.stderr)?))
}

fn route(name: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
         spec: {{hosts: [{name}.example.com], http: [{{directResponse: {{status: 200}}}}]}}\n"
    )
}

async fn apply(server: &ApiServer, namespace: &str, yaml: &str) -> Result<()> {
    server.kubectl_with_input(&["apply", "-n", namespace, "-f", "-"], yaml).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn are_waited_for_and_survive_a_leader_that_is_killed() {
    let Some(server) = ApiServer::own().await else { return };
    waited(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn waited(server: &ApiServer) -> Result<()> {
    let namespace = &server.fresh_namespace("waited").await?;
    let short = ["--for=programmed", "--timeout=1s", "-n", namespace];
    let of = |object: &'static str| [&[object][..], &short].concat();

    // A kind that there is not, and one that this server does not have yet.
    let (code, said, complaint) = wait(server, &of("thing/web")).await?;
    ensure!(code == Some(2) && said.is_empty(), "{code:?} {said}");
    ensure!(
        complaint.contains("`thing` is none of the kinds with a status: VirtualService, "),
        "{complaint}"
    );
    let (code, said, complaint) = wait(server, &of("vs/web")).await?;
    let expected = "error: the API server has no VirtualService: is the CRD installed?\n";
    ensure!((code, &*said, &*complaint) == (Some(1), "", expected), "{code:?} {said} {complaint}");

    server.kubectl(&["apply", "--server-side", "-f", CRDS]).await?;
    server.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS]).await?;
    server.kubectl(&["create", "namespace", ROOT]).await?;
    let (code, said, complaint) = wait(server, &of("vs/web")).await?;
    let expected = format!(
        "error: VirtualService {namespace}/web is not Programmed after 1s: there is no such object\n"
    );
    ensure!((code, &*said, &*complaint) == (Some(1), "", &*expected), "{code:?} {said} {complaint}");

    // Nobody writes statuses yet.
    apply(server, namespace, &route("web")).await?;
    let (code, said, complaint) = wait(server, &of("virtualservice/web")).await?;
    let expected = format!(
        "error: VirtualService {namespace}/web is not Programmed after 1s: nobody has reported on it yet\n"
    );
    ensure!((code, &*said, &*complaint) == (Some(1), "", &*expected), "{code:?} {said} {complaint}");

    let first = ControlPlane::start(server, "first").await?;
    let met = |object| ["--for=programmed", "--timeout=90s", "-n", namespace.as_str(), object];
    let (code, said, complaint) = wait(server, &met("virtualservice/web")).await?;
    let expected =
        format!("VirtualService {namespace}/web is Programmed: no connected proxy is to have it\n");
    ensure!((code, &*said, &*complaint) == (Some(0), &*expected, ""), "{code:?} {said} {complaint}");

    // What is not in effect is not programmed, and says why.
    let bad = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bad}\n\
               spec: {hosts: [bad.example.com], http: [{match: [{uri: {regex: '('}}], directResponse: {status: 200}}]}\n";
    apply(server, namespace, bad).await?;
    let accepted = ["--for=accepted", "--timeout=20s", "-n", namespace.as_str(), "vs/bad"];
    let (code, said, complaint) = wait(server, &accepted).await?;
    ensure!(code == Some(1) && said.is_empty(), "{code:?} {said}");
    let begins = format!(
        "error: VirtualService {namespace}/bad is not Accepted after 20s: Invalid: nothing of this version is in effect"
    );
    ensure!(complaint.starts_with(&begins) && complaint.contains("spec.http[0]"), "{complaint}");

    // The leader is gone without a word. Another has to wait until its lease has run out; then it writes, and only it.
    let second = ControlPlane::start(server, "second").await?;
    let holder = async || {
        let path = ["get", "lease", "meltemi-leader", "-n", ROOT, "-o", "jsonpath={.spec.holderIdentity}"];
        server.kubectl(&path).await
    };
    ensure!(holder().await?.starts_with("first_"), "{}", holder().await?);
    drop(first);
    apply(server, namespace, &route("later")).await?;
    ensure!(holder().await?.starts_with("first_"), "a lease that was given back: {}", holder().await?);
    let (code, said, complaint) = wait(server, &met("virtualservice/later")).await?;
    ensure!(code == Some(0) && complaint.is_empty(), "{code:?} {said} {complaint}");
    ensure!(holder().await?.starts_with("second_"), "{}", holder().await?);
    drop(second);
    Ok(())
}
