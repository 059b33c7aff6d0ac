//! The SPIFFE Workload API: an identity that another agent on the node gives, SPIRE's for example.
//!
//! In: the socket of that agent. Out: an [`Identity`], replaced whenever the other agent sends one. It tells who a workload is by looking at
//! the process that asks: nothing is proven here, and no key is made here.

mod wire;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use http::{Uri, uri::PathAndQuery};
use hyper_util::rt::TokioIo;
use mesh_pki::{Credential, Revocations, TrustBundle, bundle::certificate_pem};
use rustls::pki_types::CertificateDer;
use tokio::{
    net::UnixStream,
    sync::watch,
    time::{sleep, timeout},
};
use tonic::{Code, Request, Status, Streaming, client::Grpc, metadata::MetadataValue, transport::Endpoint};
use tonic_prost::ProstCodec;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{
    Identity,
    renewal::{Backoff, chance},
};
use wire::{X509Svid, X509SvidRequest, X509SvidResponse};

/// Environment variable that says where the socket is: `unix:///run/spire/sockets/agent.sock`.
pub const ENDPOINT_VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";

/// How long the other agent may take to take a connection in.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest message: some certificates.
const LARGEST: usize = 1024 * 1024;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadApiError {
    /// The endpoint is not on this machine's file system.
    #[error("{ENDPOINT_VARIABLE} is {0:?}; it has to be unix:///<path of a socket>")]
    Endpoint(String),
    /// No connection.
    #[error("the SPIFFE agent at {} can't be reached: {reason}", socket.display())]
    Unreachable {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
    /// It knows no identity for this workload.
    #[error("the SPIFFE agent knows no identity for this workload: register one for it ({0})")]
    Unregistered(String),
    /// It answers with an error.
    #[error("the SPIFFE agent refuses: {} ({:?})", .0.message(), .0.code())]
    Refused(Status),
    /// It sends something that is no identity.
    #[error("the SPIFFE agent sends no identity that can be used: {0}")]
    Unusable(String),
}

/// The socket that an endpoint means.
///
/// # Errors
/// When it is no path on this machine.
pub fn parse_endpoint(endpoint: &str) -> Result<PathBuf, WorkloadApiError> {
    let wrong = || WorkloadApiError::Endpoint(endpoint.to_owned());
    let path = endpoint.strip_prefix("unix:").ok_or_else(wrong)?;
    // `unix:/path` and `unix:///path` are the same; between the second and third slash a host would stand.
    let path = path.strip_prefix("//").unwrap_or(path);
    match path.starts_with('/') && path.len() > 1 {
        true => Ok(PathBuf::from(path)),
        false => Err(wrong()),
    }
}

/// Follows the identity that the agent at `socket` gives, for as long as anyone looks at `current`. While it is away, the last one stays.
pub(crate) async fn follow(socket: PathBuf, current: watch::Sender<Option<Identity>>) {
    let mut backoff = Backoff::default();
    let follow = async {
        loop {
            let error = match attend(&socket, &current, &mut backoff).await {
                Ok(()) => "the stream ended".to_owned(),
                Err(error) => error.to_string(),
            };
            let wait = backoff.next(chance());
            tracing::warn!(error, ?wait, "identities are not followed: trying again");
            sleep(wait).await;
        }
    };
    tokio::select! {
        () = follow => {}
        () = current.closed() => {}
    }
}

/// Takes identities over one stream, until it ends.
async fn attend(
    socket: &Path,
    current: &watch::Sender<Option<Identity>>,
    backoff: &mut Backoff,
) -> Result<(), WorkloadApiError> {
    let mut stream = open(socket).await?;
    while let Some(response) = stream.message().await.map_err(refused)? {
        // A stream that says something unusable may yet say something better.
        match read(response) {
            Ok(identity) => {
                let facts = identity.credential.facts();
                let remaining = facts.remaining(SystemTime::now()).as_secs();
                tracing::info!(identity = ?facts.uris, remaining, "the SPIFFE agent gives an identity");
                current.send_replace(Some(identity));
                backoff.reset();
            }
            Err(error) => tracing::error!(%error, "the last identity is kept"),
        }
    }
    Ok(())
}

async fn open(socket: &Path) -> Result<Streaming<X509SvidResponse>, WorkloadApiError> {
    let unreachable = |reason: String| WorkloadApiError::Unreachable { socket: socket.to_owned(), reason };
    let path = socket.to_owned();
    let dial = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
    });
    // The URI is never resolved: it is where the request's authority comes from.
    let endpoint = Endpoint::from_static("http://localhost");
    let connecting = endpoint.connect_with_connector(dial);
    let channel = timeout(PATIENCE, connecting).await.map_err(|_| unreachable("it takes too long".into()))?;
    let channel = channel.map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        unreachable(source.unwrap_or_else(|| error.to_string()))
    })?;
    let mut client = Grpc::new(channel).max_decoding_message_size(LARGEST);
    client.ready().await.map_err(|error| unreachable(error.to_string()))?;
    let mut request = Request::new(X509SvidRequest {});
    // Browsers and proxies can't send it: whoever asks means to.
    request.metadata_mut().insert("workload.spiffe.io", MetadataValue::from_static("true"));
    let codec = ProstCodec::<X509SvidRequest, X509SvidResponse>::default();
    let method = PathAndQuery::from_static("/SpiffeWorkloadAPI/FetchX509SVID");
    let answer = client.server_streaming(request, method, codec).await.map_err(refused)?;
    Ok(answer.into_inner())
}

fn refused(status: Status) -> WorkloadApiError {
    match status.code() {
        Code::PermissionDenied => WorkloadApiError::Unregistered(status.message().to_owned()),
        _ => WorkloadApiError::Refused(status),
    }
}

/// The identity that a response gives: the first one is the one that a workload should use that asks for none in particular.
fn read(response: X509SvidResponse) -> Result<Identity, WorkloadApiError> {
    let unusable = |reason: &str| WorkloadApiError::Unusable(reason.to_owned());
    let failed = |error: mesh_pki::Error| WorkloadApiError::Unusable(error.to_string());
    let X509SvidResponse { svids, crl, federated_bundles } = response;
    // To go on without looking at them would let in what is meant to be kept out.
    let revoked = Revocations::from_der(&crl).map_err(failed)?;
    if !federated_bundles.is_empty() {
        let domains: Vec<&String> = federated_bundles.keys().collect();
        tracing::info!(
            ?domains,
            "federated trust domains are not supported yet: their workloads are not trusted"
        );
    }
    let first = svids.into_iter().next().ok_or_else(|| unusable("there is none in the response"))?;
    let X509Svid { spiffe_id, x509_svid, x509_svid_key, bundle, hint: _ } = first;
    let chain: String = certificates(&x509_svid)?.iter().map(certificate_pem).collect();
    let key = pem::encode(&pem::Pem::new("PRIVATE KEY", x509_svid_key));
    let credential = Credential::from_pem(&chain, &key).map_err(failed)?;
    if credential.facts().uris != [spiffe_id.clone()] {
        return Err(unusable(&format!("the certificate is not one of {spiffe_id}")));
    }
    let trusted = TrustBundle::new(certificates(&bundle)?).map_err(failed)?;
    Ok(Identity { credential, trusted, revoked })
}

/// Certificates that stand one behind the other.
fn certificates(der: &[u8]) -> Result<Vec<CertificateDer<'static>>, WorkloadApiError> {
    let mut certificates = Vec::new();
    let mut rest = der;
    while !rest.is_empty() {
        let (after, _) = X509Certificate::from_der(rest)
            .map_err(|error| WorkloadApiError::Unusable(format!("a certificate can't be read: {error}")))?;
        let (certificate, _) = rest.split_at(rest.len() - after.len());
        certificates.push(CertificateDer::from(certificate.to_vec()));
        rest = after;
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_paths() {
        for endpoint in ["unix:///run/spire/agent.sock", "unix:/run/spire/agent.sock"] {
            assert_eq!(parse_endpoint(endpoint).unwrap(), PathBuf::from("/run/spire/agent.sock"));
        }
        for endpoint in
            ["", "tcp://127.0.0.1:8081", "unix://host/path", "unix:///", "unix:agent.sock", "/run/a.sock"]
        {
            let error = parse_endpoint(endpoint).unwrap_err().to_string();
            assert!(error.contains("unix:///<path of a socket>"), "{endpoint}: {error}");
        }
    }
}
