//! `meltemi control-plane` where istiod was: by istiod's names of flags, and asked as istiod's probe asks.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use anyhow::{Result, ensure};
use mesh_runtime::admin_client::get;
use mesh_testkit::{
    ApiServer, eventually,
    ports::{HeldPort, Loopback},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const WITHIN: Duration = Duration::from_secs(60);

/// Killed when dropped.
struct Killed(Mutex<Child>);

impl Drop for Killed {
    fn drop(&mut self) {
        let child = self.0.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_flags_are_taken_and_its_probe_is_answered() {
    let Some(server) = ApiServer::own().await else { return };
    serves(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

/// What a kubelet gets.
async fn probe(address: SocketAddr) -> Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(b"GET /ready HTTP/1.1\r\nhost: istiod\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn serves(server: &ApiServer) -> Result<()> {
    let files = tempfile::tempdir()?;
    let settings = files.path().join("mesh.yaml");
    std::fs::write(&settings, "ingressServise: gateway\n")?;
    let loopback = Loopback::claim()?;
    let ports = [loopback.port()?, loopback.port()?, loopback.port()?, loopback.port()?];
    let [plain, secure, http, monitoring] = ports.map(HeldPort::release);
    // For the certificate authority's own objects.
    server.kubectl(&["create", "namespace", "istio-system"]).await?;
    // Nobody is there who could say what there is.
    server.kill();
    let mut command = Command::new(env!("CARGO_BIN_EXE_meltemi"));
    command.args(["control-plane", "--no-status", "--kubeconfig"]).arg(server.kubeconfig_path());
    command.arg("--meshConfig").arg(&settings);
    for (flag, value) in [
        ("--clusterID", "west"),
        ("--domain", "mesh.test"),
        ("--grpcAddr", &*plain.to_string()),
        ("--secureGRPCAddr", &*secure.to_string()),
        ("--httpAddr", &*http.to_string()),
        ("--httpsAddr", ""),
        ("--monitoringAddr", &*monitoring.to_string()),
        ("--keepaliveMaxServerConnectionAge", "30m"),
        ("--shutdownDuration", "1s"),
    ] {
        command.args([flag, value]);
    }
    // It says a line for each try that fails, which is many.
    let running = Killed(Mutex::new(command.stderr(Stdio::null()).spawn()?));
    eventually(WITHIN, async || {
        let ended = running.0.lock().unwrap().try_wait()?;
        ensure!(ended.is_none(), "it has ended: {ended:?}");
        let answer = probe(http).await?;
        ensure!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("waiting for:\n  "), "{answer}");
        ensure!(answer.contains("\n  first lists\n"), "{answer}");
        Ok(())
    })
    .await?;
    server.serve_again().await?;
    eventually(WITHIN, async || {
        let answer = probe(http).await?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        Ok(())
    })
    .await?;

    // What is wrong, as JSON: the slip in the mesh settings.
    eventually(WITHIN, async || {
        let problems: Value = serde_json::from_slice(&get(monitoring, "/debug/problems").await?)?;
        let entries = problems["report"]["entries"].as_array().unwrap().iter();
        let mut of_file = entries.filter(|entry| entry["source"].to_string().contains("mesh.yaml"));
        let found = of_file.next().map(|entry| entry["problems"][0].clone()).unwrap_or_default();
        ensure!(found["path"] == "ingressServise" && found["reason"] == "UnknownField", "{problems:#}");
        ensure!(found["hint"].to_string().contains("ingressService"), "{found:#}");
        Ok(())
    })
    .await
}
