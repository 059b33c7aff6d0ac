//! What ServiceEntries and DestinationRules say of servers: their names, what is asked for, and how much of TLS is spoken to whom.
//! The servers are OpenSSL outside the mesh, and a sidecar that a WorkloadEntry stands for.

use super::{Authority, HTTP_PROXY_PORT, Stage, WITHIN, run, whoami};
use crate::certificates::Validity;
use anyhow::{Result, ensure};
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::Request;
use std::{net::SocketAddr, process::Stdio};
use tokio::process::{Child, Command};

const SERVER: &str = "spiffe://elsewhere/ns/a/sa/b";
const OTHER: &str = "spiffe://elsewhere/ns/a/sa/c";
const PORT: u16 = 8443;
const NAME: &str = "outside.example.com";
/// All that the server speaks.
const CIPHER: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";

#[tokio::test(flavor = "multi_thread")]
async fn servers_by_name_port_and_subject() {
    run(outside()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_entry_says_whose_it_is() {
    run(entry()).await;
}

/// A server that refuses whoever asks for another name, and speaks TLS 1.2 with one cipher and one curve.
fn serve(at: SocketAddr, stage: &Stage) -> Result<Child> {
    let file = |name: &str| stage.directory.path().join(name);
    let mut command = Command::new("openssl");
    command.args(["s_server", "-www", "-accept", &at.to_string(), "-servername", NAME, "-servername_fatal"]);
    command.args(["-tls1_2", "-cipher", CIPHER, "-groups", "P-256"]);
    for (certificate, key) in [("-cert", "-key"), ("-cert2", "-key2")] {
        command.arg(certificate).arg(file("server.pem")).arg(key).arg(file("server.key"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(command.spawn()?)
}

async fn outside() -> Result<()> {
    let stage = Stage::set().await?;
    let elsewhere = Authority::new("elsewhere")?;
    let file = |name: &str| stage.directory.path().join(name);
    elsewhere.issue(SERVER, Validity::Now)?.write(&file("server.pem"), &file("server.key"))?;
    std::fs::write(file("root.pem"), elsewhere.root())?;
    let address = Loopback::claim()?;
    let at = SocketAddr::new(address.ip(), PORT);
    let _server = serve(at, &stage)?;
    let objects = |subject: &str, policy: &str, defaults: &str| {
        format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: default}}
spec:
  hosts: [{NAME}]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {PORT}}}]
  endpoints: [{{address: {}}}]
  subjectAltNames: ['{subject}']
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: outside, namespace: default}}
spec: {{host: {NAME}, trafficPolicy: {policy}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: 'tlsDefaults: {{{defaults}}}'}}
",
            at.ip()
        )
    };
    let tls = |name: &str| {
        format!("tls: {{mode: SIMPLE, caCertificates: {}, sni: {name}}}", file("root.pem").display())
    };
    let port = |number: u16, name: &str| {
        format!("{{portLevelSettings: [{{port: {{number: {number}}}, {}}}]}}", tls(name))
    };
    let good = format!("{{{}}}", tls(NAME));
    // It answers before, between and after, so it is there.
    for (subject, policy, defaults, expected) in [
        (SERVER, &good, "", 200),
        (OTHER, &good, "", 503),
        (SERVER, &format!("{{{}}}", tls("other.example.com")), "", 503),
        (SERVER, &port(80, NAME), "", 200),
        (SERVER, &port(81, NAME), "", 503),
        (SERVER, &good, "minProtocolVersion: TLSV1_2", 200),
        (SERVER, &good, "minProtocolVersion: TLSV1_3", 503),
        (SERVER, &good, "cipherSuites: [ECDHE-ECDSA-AES128-GCM-SHA256]", 200),
        (SERVER, &good, "cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]", 503),
        (SERVER, &good, "ecdhCurves: [P-256]", 200),
        (SERVER, &good, "ecdhCurves: [P-384]", 503),
    ] {
        stage.mesh.edit("outside.yaml", &objects(subject, policy, defaults)).await?;
        stage.acknowledged().await?;
        eventually(WITHIN, async || {
            let request = Request::get(&format!("http://{NAME}/"))?;
            let got = request.send(SocketAddr::new(stage.client.address, HTTP_PROXY_PORT)).await?.status;
            ensure!(got == expected, "{subject} {policy} {defaults}: {got}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn entry() -> Result<()> {
    let stage = Stage::set().await?;
    // An account says that mTLS is taken there, as the label does; the label may deny it, and then it does not matter who is there.
    let (taken, denied) =
        (", labels: {security.istio.io/tlsMode: istio}", ", labels: {security.istio.io/tlsMode: disabled}");
    for (account, label, expected) in [
        ("server", taken, true),
        ("impostor", taken, false),
        ("server", "", true),
        ("impostor", "", false),
        ("impostor", denied, true),
    ] {
        let yaml = format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: machine, namespace: default}}
spec:
  hosts: [machine.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 9300, name: tcp, protocol: TCP, targetPort: 9090}}]
  endpoints: [{{address: {}, serviceAccount: {account}{label}}}]
",
            stage.server.address
        );
        stage.mesh.edit("machine.yaml", &yaml).await?;
        stage.acknowledged().await?;
        eventually(WITHIN, async || {
            let answer = whoami(SocketAddr::new(stage.client.address, 9300)).await;
            let got = answer.as_ref().is_ok_and(|pod| pod == "server");
            ensure!(got == expected, "serviceAccount {account}{label}: {answer:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
