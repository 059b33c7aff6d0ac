//! TLS towards a server outside the mesh, with certificates in files that the agent hands to Envoy. The server is OpenSSL.

use super::{Authority, HTTP_PROXY_PORT, Pair, Stage, WITHIN, run};
use crate::certificates::Validity;
use anyhow::{Result, ensure};
use mesh_testkit::{eventually, ports::Loopback};
use mesh_tests::traffic::Request;
use std::{net::SocketAddr, path::Path, process::Stdio};
use tokio::process::{Child, Command};

const SERVER: &str = "spiffe://elsewhere/ns/a/sa/b";
const PORT: u16 = 8443;

#[tokio::test(flavor = "multi_thread")]
async fn certificates_in_files() {
    run(files()).await;
}

/// A server that wants a certificate of `roots`.
fn serve(at: SocketAddr, shown: (&Path, &Path), roots: &Path) -> Result<Child> {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-www", "-Verify", "1", "-verify_return_error", "-accept", &at.to_string()]);
    command.arg("-cert").arg(shown.0).arg("-key").arg(shown.1).arg("-CAfile").arg(roots);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(command.spawn()?)
}

async fn files() -> Result<()> {
    let stage = Stage::set().await?;
    let (elsewhere, other) = (Authority::new("elsewhere")?, Authority::new("another")?);
    let file = |name: &str| stage.directory.path().join(name);
    let write =
        |pair: &Pair, name: &str| pair.write(&file(&format!("{name}.pem")), &file(&format!("{name}.key")));
    let shown = elsewhere.issue(SERVER, Validity::Now)?;
    write(&shown, "server")?;
    write(&elsewhere.issue("spiffe://elsewhere/ns/a/sa/client", Validity::Now)?, "client")?;
    std::fs::write(file("root.pem"), elsewhere.root())?;
    std::fs::write(file("other.pem"), other.root())?;
    let nobody = elsewhere.revoke(&[])?;
    std::fs::write(file("crl.pem"), &nobody)?;
    let address = Loopback::claim()?;
    let at = SocketAddr::new(address.ip(), PORT);
    let _server = serve(at, (&file("server.pem"), &file("server.key")), &file("root.pem"))?;
    let rule = |roots: &str, name: &str| {
        let known = match roots {
            "" => "insecureSkipVerify: true".to_owned(),
            roots => format!(
                "caCertificates: {}\n      caCrl: {}\n      subjectAltNames: ['{name}']",
                file(roots).display(),
                file("crl.pem").display()
            ),
        };
        format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: default}}
spec:
  hosts: [outside.example.com]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {PORT}}}]
  endpoints: [{{address: {}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: outside, namespace: default}}
spec:
  host: outside.example.com
  trafficPolicy:
    tls:
      mode: MUTUAL
      clientCertificate: {}
      privateKey: {}
      {known}
      sni: outside.example.com
",
            at.ip(),
            file("client.pem").display(),
            file("client.key").display(),
        )
    };
    let answered = async || -> Result<u16> {
        let request = Request::get("http://outside.example.com/")?;
        Ok(request.send(SocketAddr::new(stage.client.address, HTTP_PROXY_PORT)).await?.status)
    };
    // Other roots, and another name: refused. It answers before, between and after, so it is there.
    for (roots, name, expected) in [
        ("root.pem", SERVER, 200),
        ("other.pem", SERVER, 503),
        ("root.pem", SERVER, 200),
        ("root.pem", "spiffe://elsewhere/ns/a/sa/c", 503),
        // Whoever it is.
        ("", "", 200),
        ("other.pem", SERVER, 503),
        ("root.pem", SERVER, 200),
    ] {
        stage.mesh.edit("outside.yaml", &rule(roots, name)).await?;
        stage.acknowledged().await?;
        eventually(WITHIN, async || {
            let got = answered().await?;
            ensure!(got == expected, "{roots} {name}: {got}");
            Ok(())
        })
        .await?;
    }
    // The server's certificate is revoked, and again not, while Envoy runs: nothing but the file changes.
    for (what, lists, expected) in [
        ("revoked", elsewhere.revoke(&[&shown.certificate])?, 503),
        ("no longer revoked", nobody.clone(), 200),
        ("a list of another authority, and none of its own", other.revoke(&[])?, 503),
        ("no lists", String::new(), 200),
    ] {
        std::fs::write(file("crl.pem"), lists)?;
        eventually(WITHIN, async || {
            let got = answered().await?;
            ensure!(got == expected, "{what}: {got}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
