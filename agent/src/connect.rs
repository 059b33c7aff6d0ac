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

use crate::{EnrolError, Identity, Revoked};

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
    let mounted = read(path).await.and_then(|pem| Ok(TrustBundle::from_pem(&pem)?));
    match (mounted, held) {
        (Ok(mounted), Some(held)) => Ok(mounted.with(&held.trusted)),
        (Ok(mounted), None) => Ok(mounted),
        // What the authority said is as good as the file, which may be in the middle of a change.
        (Err(_), Some(held)) => Ok(held.trusted.clone()),
        (Err(error), None) => Err(error),
    }
}

/// A file that is mounted into the pod.
pub(crate) async fn read(path: &Path) -> Result<String, EnrolError> {
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|error| EnrolError::File { path: path.display().to_string(), error })
}
