//! A client written from the proto alone: a key and a request by openssl, the message and its frame by hand, HTTP/2 underneath. Nothing of
//! this repository is in it.

use std::{net::SocketAddr, process::Command, sync::Arc};

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;

/// The head of a call.
pub fn head(token: &str) -> http::Result<http::Request<()>> {
    http::Request::post("https://localhost/istio.v1.auth.IstioCertificateService/CreateCertificate")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"))
        .body(())
}

/// Asks `address` for a certificate; returns the public key that was meant and the chain.
pub async fn ask(address: SocketAddr, roots: &str, token: &str) -> Result<(String, Vec<String>)> {
    let directory = tempfile::tempdir()?;
    let key = directory.path().join("key.pem");
    let openssl = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("openssl").args(arguments).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let key = key.to_str().context("a path of UTF-8")?;
    openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])?;
    let csr = openssl(&["req", "-new", "-key", key, "-subj", "/"])?;
    let public = openssl(&["pkey", "-in", key, "-pubout"])?;

    let mut store = rustls::RootCertStore::empty();
    for root in rustls::pki_types::CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(root?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = connector.connect("localhost".try_into()?, TcpStream::connect(address).await?).await?;
    let (mut sender, connection) = h2::client::handshake(socket).await?;
    let connection = tokio::spawn(connection);

    let mut message = vec![1 << 3 | 2];
    write_length(&mut message, csr.len());
    message.extend(csr.as_bytes());
    // An hour.
    message.extend([3 << 3, 0x90, 0x1c]);
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len())?.to_be_bytes());
    frame.extend(message);
    let (response, mut body) = sender.send_request(head(token)?, false)?;
    body.send_data(frame.into(), true)?;
    let mut response = response.await?.into_body();
    let mut answer = Vec::new();
    while let Some(data) = response.data().await {
        let data = data?;
        response.flow_control().release_capacity(data.len())?;
        answer.extend(data);
    }
    let trailers = response.trailers().await?.context("no trailers")?;
    ensure!(trailers.get("grpc-status").is_some_and(|status| status == "0"), "{trailers:?}");
    connection.abort();

    let mut rest = answer.get(5..).context("no message")?;
    let mut chain = Vec::new();
    while let Some((tag, after)) = rest.split_first() {
        ensure!(*tag == 1 << 3 | 2, "a field that the proto does not have: {tag}");
        let (length, after) = read_length(after)?;
        chain.push(String::from_utf8(after.get(..length).context("cut off")?.to_vec())?);
        rest = &after[length..];
    }
    Ok((public, chain))
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length > 127 {
        out.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    out.push(length as u8);
}

fn read_length(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate() {
        length |= usize::from(byte & 127) << (7 * index);
        if byte & 128 == 0 {
            return Ok((length, &bytes[index + 1..]));
        }
    }
    anyhow::bail!("cut off")
}
