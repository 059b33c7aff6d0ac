//! `outboundTrafficPolicy.tls`: hosts that no object tells of, which the proxy looks up and calls by TLS. The server is OpenSSL.

use super::{Authority, HTTP_PROXY_PORT, Stage, WITHIN, run};
use anyhow::{Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::Request;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
};
use tokio::process::{Child, Command};

/// What its certificate is for. What resolves without a network is below `localhost`.
const NAMED: &str = "named.localhost";
const OTHER: &str = "other.localhost";

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_called_by_tls() {
    run(strangers()).await;
}

/// A server that refuses whoever asks for another name.
fn serve(at: SocketAddr, stage: &Stage) -> Result<Child> {
    let file = |name: &str| stage.directory.path().join(name);
    let mut command = Command::new("openssl");
    command.args(["s_server", "-www", "-accept", &at.to_string(), "-servername", NAMED, "-servername_fatal"]);
    for (certificate, key) in [("-cert", "-key"), ("-cert2", "-key2")] {
        command.arg(certificate).arg(file("named.pem")).arg(key).arg(file("named.key"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(command.spawn()?)
}

async fn strangers() -> Result<()> {
    let stage = Stage::set().await?;
    let elsewhere = Authority::new("elsewhere")?;
    let file = |name: &str| stage.directory.path().join(name);
    elsewhere.issue_name(NAMED)?.write(&file("named.pem"), &file("named.key"))?;
    std::fs::write(file("root.pem"), elsewhere.root())?;
    let at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let _server = serve(at, &stage)?;
    let root = file("root.pem").display().to_string();
    let simple = |more: &str| format!("{{mode: SIMPLE, {more}}}");
    let checked = simple(&format!("caCertificates: {root}"));
    let as_named = simple(&format!("caCertificates: {root}, sni: {NAMED}, subjectAltNames: [{NAMED}]"));
    let not_named = simple(&format!("caCertificates: {root}, sni: {NAMED}, subjectAltNames: [{OTHER}]"));
    for (tls, named, other) in [
        ("{mode: DISABLE}", 503, 503),
        (&checked, 200, 503),
        (&as_named, 200, 200),
        (&not_named, 503, 503),
        // Nobody has signed it whom the operating system trusts.
        ("{mode: SIMPLE}", 503, 503),
        ("{mode: SIMPLE, insecureSkipVerify: true}", 200, 503),
        // Not done, so nothing is sent.
        ("{mode: ISTIO_MUTUAL}", 503, 503),
        (&checked, 200, 503),
    ] {
        let settings = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
             data:\n  mesh: 'outboundTrafficPolicy: {{mode: ALLOW_ANY_DYNAMIC_DNS, tls: {tls}}}'\n"
        );
        stage.mesh.edit("mesh.yaml", &settings).await?;
        stage.acknowledged().await?;
        for (name, expected) in [(NAMED, named), (OTHER, other)] {
            eventually(WITHIN, async || {
                let request = Request::get(&format!("http://{name}:{}/", at.port()))?;
                let got = request.send(SocketAddr::new(stage.client.address, HTTP_PROXY_PORT)).await?;
                ensure!(got.status == expected, "{tls} {name}: {}", got.summary());
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}
