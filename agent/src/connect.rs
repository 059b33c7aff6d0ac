//! Connections to the control plane: TLS, to a name that is expected, with roots and a certificate that may be others each time.
//!
//! In: where to, and whom to trust. Out: a channel for gRPC. The two services of the control plane are reached in the same way.

use std::{io, path::Path, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use mesh_pki::{Credential, TrustBundle, tls};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::{
    EnrolError, Identity, Revoked,
    authority::{NO_TOKEN, bearer},
};

/// What files of a pod are called where people are told of them.
const TOKEN: &str = "the token of the service account (for istio-ca)";
const ROOTS: &str = "the mesh's roots (ConfigMap istio-ca-root-cert)";
pub(crate) const REVOCATIONS: &str = "the mesh's revocation lists (ConfigMap istio-ca-crl)";

/// A connection that is silent for this long is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const KEEP_ALIVE_WITHIN: Duration = Duration::from_secs(10);
/// What may be on its way at a time. A first push is megabytes.
const WINDOW: u32 = 512 * 1024;

/// Connects.
///
/// # Errors
/// When nobody is there, or not whom `trusted` and `server_name` expect, or whoever is there is revoked.
pub(crate) async fn connect(
    address: &str,
    server_name: &str,
    trusted: &TrustBundle,
    revoked: &Revoked,
    credential: Option<&Credential>,
) -> Result<Channel, EnrolError> {
    let revocations = revoked.read().await?;
    let settings = tls::client_with(trusted, credential, revocations.as_ref())?;
    let connector = TlsConnector::from(Arc::new(settings));
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| EnrolError::ServerName(server_name.to_owned()))?;
    let to = address.to_owned();
    let connect = tower::service_fn(move |_: http::Uri| {
        let (connector, name, to) = (connector.clone(), name.clone(), to.clone());
        async move {
            let socket = TcpStream::connect(to).await?;
            socket.set_nodelay(true)?;
            Ok::<_, io::Error>(TokioIo::new(connector.connect(name, socket).await?))
        }
    });
    // The URI is never resolved: it is where the request's authority comes from.
    let endpoint = Endpoint::from_static("http://control-plane")
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_WITHIN)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    endpoint.connect_with_connector(connect).await.map_err(|error| {
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        EnrolError::Unreachable { address: address.to_owned(), error: reason }
    })
}

/// The roots of the file, and those that came with the identity that is held: either may be newer.
///
/// # Errors
/// When there are none at all.
pub(crate) async fn roots(path: &Path, held: Option<&Identity>) -> Result<TrustBundle, EnrolError> {
    let parse = |pem: String| TrustBundle::from_pem(&pem).map_err(|error| contents(ROOTS, path, &error));
    let mounted = read(ROOTS, path).await.and_then(parse);
    match (mounted, held) {
        (Ok(mounted), Some(held)) => Ok(mounted.with(&held.trusted)),
        (Ok(mounted), None) => Ok(mounted),
        // What the authority said is as good as the file, which may be in the middle of a change.
        (Err(_), Some(held)) => Ok(held.trusted.clone()),
        (Err(error), None) => Err(error),
    }
}

/// The token of the file, as gRPC can send it.
///
/// # Errors
/// When there is none.
pub(crate) async fn token(path: &Path) -> Result<String, EnrolError> {
    let token = read(TOKEN, path).await?.trim().to_owned();
    match bearer(&token) {
        Ok(_) if !token.is_empty() => Ok(token),
        Ok(_) => Err(contents(TOKEN, path, &"it is empty")),
        Err(_) => Err(contents(TOKEN, path, &NO_TOKEN)),
    }
}

/// A file that is mounted into the pod, and should be `what`.
pub(crate) async fn read(what: &'static str, path: &Path) -> Result<String, EnrolError> {
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|error| EnrolError::File { what, path: path.display().to_string(), error })
}

/// Such a file with something else in it.
pub(crate) fn contents(what: &'static str, path: &Path, why: &dyn std::fmt::Display) -> EnrolError {
    EnrolError::Contents { what, path: path.display().to_string(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_that_are_not_what_they_should_be_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let name = path.display().to_string();
        let of_token = async || token(&path).await.map_err(|error| error.to_string());
        let of_roots = async || roots(&path, None).await.map(drop).map_err(|error| error.to_string());
        for error in [of_token().await.unwrap_err(), of_roots().await.unwrap_err()] {
            assert!(error.contains(&name) && error.contains("No such file"), "{error}");
        }
        for (text, expected) in [("\n", "it is empty"), ("two\nlines", "it has characters that no token has")]
        {
            std::fs::write(&path, text).unwrap();
            let error = of_token().await.unwrap_err();
            let whose = error.starts_with("the token of the service account (for istio-ca): ");
            assert!(whose && error.contains(&name) && error.contains(expected), "{error}");
        }
        std::fs::write(&path, "good\n").unwrap();
        assert_eq!(of_token().await.unwrap(), "good");
        let error = of_roots().await.unwrap_err();
        let whose = error.starts_with("the mesh's roots (ConfigMap istio-ca-root-cert): ");
        assert!(whose && error.contains(&name) && error.contains("there are none"), "{error}");
    }
}
