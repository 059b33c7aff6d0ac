//! TLS settings of the mesh's servers and clients.
//!
//! In: credentials, trusted roots, revocation lists. Out: immutable rustls settings; whoever reloads makes new ones and uses them from the
//! next connection on. Sessions are not resumed: a resumed one would go on with a certificate that has since expired or been revoked.

use std::sync::Arc;

use rustls::{
    ClientConfig, ServerConfig,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::SingleCertAndKey,
};

use crate::{Credential, Error, Revocations, TrustBundle};

/// gRPC's protocol.
const H2: &[u8] = b"h2";

/// The one provider.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A gRPC server that shows `credential`. Clients need no certificate, but one that they show must be signed by `trusted` and not be revoked.
///
/// # Errors
/// When the parts do not make sense.
pub fn server(
    credential: &Credential,
    trusted: &TrustBundle,
    revocations: Option<&Revocations>,
) -> Result<ServerConfig, Error> {
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted.store()), provider())
        .allow_unauthenticated();
    if let Some(revocations) = revocations {
        // Lists are those of plugged-in authorities; a root that has none revokes nothing.
        verifier = verifier.with_crls(revocations.lists().iter().cloned()).allow_unknown_revocation_status();
    }
    let verifier =
        verifier.build().map_err(|error| Error::Mismatch(format!("client certificates: {error}")))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Unsupported(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(credential.certified().clone())));
    config.alpn_protocols = vec![H2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    // The rest of a connection's memory is bounded by HTTP/2's windows.
    config.max_fragment_size = None;
    Ok(config)
}

/// A gRPC client that trusts `trusted` and shows `credential`, if it has one.
///
/// # Errors
/// When the parts do not make sense.
pub fn client(trusted: &TrustBundle, credential: Option<&Credential>) -> Result<ClientConfig, Error> {
    client_with(trusted, credential, None)
}

/// The same, for servers that are not revoked. An authority that has no list has revoked nobody.
///
/// # Errors
/// When the parts do not make sense.
pub fn client_with(
    trusted: &TrustBundle,
    credential: Option<&Credential>,
    revocations: Option<&Revocations>,
) -> Result<ClientConfig, Error> {
    let mut verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(trusted.store()), provider());
    if let Some(revocations) = revocations {
        verifier = verifier.with_crls(revocations.lists().iter().cloned()).allow_unknown_revocation_status();
    }
    let verifier =
        verifier.build().map_err(|error| Error::Mismatch(format!("certificates of servers: {error}")))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Unsupported(error.to_string()))?
        .with_webpki_verifier(verifier);
    let mut config = match credential {
        Some(credential) => builder
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(credential.certified().clone()))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![H2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}
