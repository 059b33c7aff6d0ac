//! TLS of a Sidecar's `ingress`: clients outside the mesh, by OpenSSL, and certificates in files that the agent hands to Envoy.

use super::{Authority, Pair, Stage, WITHIN, mode, run};
use crate::certificates::Validity;
use anyhow::{Context, Result, ensure};
use mesh_pki::{Facts, credential::read_certificates};
use mesh_testkit::eventually;
use std::{net::SocketAddr, path::Path, process::Stdio};

const PORT: u16 = 8443;
const NAME: &str = "spiffe://elsewhere/ns/a/sa/client";

#[tokio::test(flavor = "multi_thread")]
async fn clients_outside_the_mesh() {
    run(outside()).await;
}

/// A Sidecar of which the one port has TLS with the files of `directory`.
fn sidecar(directory: &Path, tls: &str) -> String {
    let file = |name: &str| directory.join(name).display().to_string();
    let own =
        format!("serverCertificate: {}\n        privateKey: {}", file("server.pem"), file("server.key"));
    // One set of files, or several.
    let own = if tls.contains("tlsCertificates") { String::new() } else { own };
    let tls = tls.replace("CHAIN", &file("server.pem")).replace("KEY", &file("server.key"));
    format!(
        "apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: server, namespace: default}}
spec:
  workloadSelector: {{labels: {{app: server}}}}
  ingress:
    - port: {{number: {PORT}, protocol: HTTPS, name: https}}
      defaultEndpoint: 127.0.0.1:8080
      tls:
        {own}
        caCertificates: {}
        caCrl: {}
        {tls}
",
        file("root.pem"),
        file("crl.pem")
    )
}

async fn outside() -> Result<()> {
    let stage = Stage::set().await?;
    let directory = stage.directory.path();
    let (elsewhere, other) = (Authority::new("elsewhere")?, Authority::new("another")?);
    let server = |authority: &Authority| authority.issue("spiffe://elsewhere/ns/a/sa/server", Validity::Now);
    let write = |pair: &Pair| pair.write(&directory.join("server.pem"), &directory.join("server.key"));
    let first = server(&elsewhere)?;
    write(&first)?;
    std::fs::write(directory.join("root.pem"), elsewhere.root())?;
    let revoke = |certificates: &[&str]| -> Result<()> {
        Ok(std::fs::write(directory.join("crl.pem"), elsewhere.revoke(certificates)?)?)
    };
    revoke(&[])?;
    let (client, stranger) = (elsewhere.issue(NAME, Validity::Now)?, other.issue(NAME, Validity::Now)?);
    let namesake = elsewhere.issue("spiffe://elsewhere/ns/a/sa/other", Validity::Now)?;
    stage.take("DISABLE").await?;
    let edit = async |tls: &str| {
        stage.mesh.edit("sidecar.yaml", &sidecar(directory, tls)).await?;
        stage.acknowledged().await
    };
    // Nobody's certificate, the right one, one of another authority, and one with another name.
    let see = async |what: &str, expected: [bool; 4]| {
        eventually(WITHIN, async || {
            let mut got = [false; 4];
            let shown = [None, Some(&client), Some(&stranger), Some(&namesake)];
            for (got, shown) in got.iter_mut().zip(shown) {
                *got = stage.openssl_to(PORT, "http/1.1", shown).await?;
            }
            ensure!(got == expected, "{what}: {got:?}");
            Ok(())
        })
        .await
    };
    edit("mode: SIMPLE").await?;
    see("SIMPLE", [true; 4]).await?;
    edit("mode: MUTUAL").await?;
    see("MUTUAL", [false, true, false, true]).await?;
    edit(&format!("mode: MUTUAL\n        subjectAltNames: ['{NAME}']")).await?;
    see("MUTUAL with a name", [false, true, false, false]).await?;
    for (name, hash, expected) in [
        (
            "verifyCertificateSpki",
            key_hash(directory, &client.certificate).await?,
            [false, true, false, false],
        ),
        ("verifyCertificateHash", hash(directory, &namesake.certificate).await?, [false, false, false, true]),
    ] {
        edit(&format!("mode: MUTUAL\n        {name}: ['{hash}']")).await?;
        see(name, expected).await?;
    }
    edit("mode: OPTIONAL_MUTUAL").await?;
    see("OPTIONAL_MUTUAL", [true, true, false, true]).await?;
    revoke(&[&client.certificate])?;
    see("OPTIONAL_MUTUAL, and a client is revoked", [true, false, false, true]).await?;
    revoke(&[])?;
    see("OPTIONAL_MUTUAL, and nobody is revoked any more", [true, true, false, true]).await?;
    let shown = async || served(SocketAddr::new(stage.server.address, PORT)).await;
    ensure!(shown().await? == serial(&first.certificate)?, "the certificate of the file");

    limits(&stage, &edit).await?;
    edit("mode: SIMPLE\n        tlsCertificates: [{serverCertificate: CHAIN, privateKey: KEY}]").await?;
    see("certificates in a list", [true; 4]).await?;

    // Files that are replaced: the agent hears of it.
    let second = server(&elsewhere)?;
    write(&second)?;
    eventually(WITHIN, async || {
        ensure!(shown().await? == serial(&second.certificate)?);
        Ok(())
    })
    .await?;
    // Where the mesh's own TLS is taken, there is no other: as Istio.
    stage.mesh.edit("peers.yaml", &mode("STRICT")).await?;
    stage.acknowledged().await?;
    see("STRICT", [false; 4]).await
}

/// Versions of TLS, and ciphers, that are not taken.
async fn limits(stage: &Stage, edit: &impl AsyncFn(&str) -> Result<()>) -> Result<()> {
    const AES128: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
    const AES256: &str = "ECDHE-ECDSA-AES256-GCM-SHA384";
    let at = SocketAddr::new(stage.server.address, PORT).to_string();
    let agreed = async |offer: &[&str]| -> Result<bool> {
        let mut command = tokio::process::Command::new("openssl");
        command.args(["s_client", "-connect", &at]).args(offer).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command.output().await?.status.success())
    };
    for (limit, expected) in [
        ("maxProtocolVersion: TLSV1_3", [true, true, true]),
        ("minProtocolVersion: TLSV1_3", [false, false, true]),
        ("maxProtocolVersion: TLSV1_2", [true, true, false]),
        (format!("cipherSuites: [{AES256}]").as_str(), [false, true, true]),
    ] {
        edit(&format!("mode: SIMPLE\n        {limit}")).await?;
        eventually(WITHIN, async || {
            let got = [
                agreed(&["-tls1_2", "-cipher", AES128]).await?,
                agreed(&["-tls1_2", "-cipher", AES256]).await?,
                agreed(&["-tls1_3"]).await?,
            ];
            ensure!(got == expected, "{limit}: AES128, AES256, and TLS 1.3: {got:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// What `verifyCertificateSpki` is told to be.
async fn key_hash(directory: &Path, pem: &str) -> Result<String> {
    let digest = "openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64";
    shell(directory, pem, &format!("openssl x509 -pubkey -noout | {digest}")).await
}

/// What `verifyCertificateHash` is told to be.
async fn hash(directory: &Path, pem: &str) -> Result<String> {
    let printed = shell(directory, pem, "openssl x509 -fingerprint -sha256 -noout").await?;
    Ok(printed.split_once('=').context("a fingerprint")?.1.to_owned())
}

/// What `command` prints when it is given `pem`.
async fn shell(directory: &Path, pem: &str, command: &str) -> Result<String> {
    let file = directory.join("read.pem");
    std::fs::write(&file, pem)?;
    let mut process = tokio::process::Command::new("sh");
    process.args(["-c", command]).stdin(std::fs::File::open(&file)?).kill_on_drop(true);
    Ok(String::from_utf8(process.output().await?.stdout)?.trim().to_owned())
}

pub(super) fn serial(pem: &str) -> Result<String> {
    let certificates = read_certificates(pem)?;
    Ok(Facts::read(certificates.first().context("no certificate")?)?.serial)
}

/// The serial number of the certificate that a server shows.
pub(super) async fn served(at: SocketAddr) -> Result<String> {
    let mut command = tokio::process::Command::new("openssl");
    command.args(["s_client", "-connect", &at.to_string()]).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    serial(&String::from_utf8_lossy(&output.stdout))
}
