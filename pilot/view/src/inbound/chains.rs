//! The filter chains of a port: one for each way in which its connections may come.
//!
//! In: what is done with connections, and what is taken (PeerAuthentication). Out: chains, exactly Istio's: Envoy knows mTLS of the mesh
//! by the application protocols that the client offers, and all other TLS is the application's own.

use crate::{
    outbound::{file_certificate, opaque_chains, peer_check, plain_text_http},
    spec::{
        ChainMatch, DownstreamTls, FilterChainSpec, MESH_ROOTS, NetworkSpec, OWN_CERTIFICATE, PeerCheck,
        PeerName, Transport,
    },
    well_known::tcp_to,
};
use mesh_model::{AccessLog, ClientCheck, Mesh, MtlsMode, Pins, ServerTls, Str, TlsLimits, TlsVersion};
use std::sync::Arc;

/// What clients of the mesh offer for requests.
const MTLS_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// For anything else. `istio-peer-exchange` is what Istio's proxies offer beside `istio`; it is recognised and never offered, since
/// whoever gets it sends metadata first, which nobody here would read.
const MTLS_TCP: &[&str] = &["istio-peer-exchange", "istio"];
/// For whatever is known by the port to be there.
const MTLS_ANY: &[&str] = &["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

/// What is done with connections.
pub enum Content {
    /// They carry requests.
    Http(NetworkSpec),
    /// They carry bytes.
    Tcp(NetworkSpec),
    /// A look at each tells which.
    Either {
        /// What is done with requests.
        http: NetworkSpec,
        /// What is done with bytes.
        tcp: NetworkSpec,
    },
}

/// What is taken on a port.
#[derive(Clone)]
pub enum Taken {
    /// Plaintext. TLS is the application's.
    Plaintext,
    /// mTLS, and what plaintext would be.
    Both(Arc<DownstreamTls>),
    /// mTLS.
    Mtls(Arc<DownstreamTls>),
    /// TLS with certificates that a Sidecar names.
    Given(Arc<DownstreamTls>),
    /// Nothing: TLS is asked for, and the proxy has no certificate.
    Nothing,
}

impl Taken {
    /// What a proxy takes in this mode.
    pub fn new(mesh: &Mesh, mode: MtlsMode, has_identity: bool) -> Self {
        match (mode, has_identity) {
            (MtlsMode::Disable, _) | (MtlsMode::Permissive, false) => Taken::Plaintext,
            (MtlsMode::Permissive, true) => Taken::Both(Arc::new(own_tls(mesh))),
            (MtlsMode::Strict, true) => Taken::Mtls(Arc::new(own_tls(mesh))),
            (MtlsMode::Strict, false) => Taken::Nothing,
        }
    }

    /// What it takes on a port for which a Sidecar has `tls`.
    pub fn given(mesh: &Mesh, tls: &ServerTls, has_identity: bool) -> Self {
        match has_identity {
            true => Taken::Given(Arc::new(given_tls(mesh, tls))),
            // Certificates come over SDS, whosever they are.
            false => Taken::Nothing,
        }
    }

    /// Whether it depends on a connection's being TLS.
    pub fn tells_tls(&self) -> bool {
        matches!(self, Taken::Both(_) | Taken::Mtls(_) | Taken::Given(_))
    }
}

/// mTLS as workloads end it: any identity of the mesh is let in, and who may do what is decided afterwards.
fn own_tls(mesh: &Mesh) -> DownstreamTls {
    let config = mesh.config();
    let domains = config.trust_domains();
    DownstreamTls {
        certificates: vec![OWN_CERTIFICATE.into()],
        peer: Some(PeerCheck {
            roots: MESH_ROOTS.into(),
            names: domains
                .map(|domain| PeerName::IdentityPrefix(format!("spiffe://{domain}/").into()))
                .collect(),
            pins: Pins::default(),
        }),
        requires_peer: true,
        alpn: requests(),
        limits: config.mesh_mtls.clone(),
        max_version: TlsVersion::V1_3,
    }
}

/// TLS as a Sidecar says, for clients outside the mesh. As Istio, requests are offered whatever the port carries.
fn given_tls(mesh: &Mesh, tls: &ServerTls) -> DownstreamTls {
    let ServerTls { certificates, clients, min_version, max_version, cipher_suites } = tls;
    let mut limits = mesh.config().tls_defaults.clone();
    if let Some(version) = min_version {
        limits.min_version = *version;
    }
    if !cipher_suites.is_empty() {
        limits.cipher_suites.clone_from(cipher_suites);
    }
    let max_version = max_version.unwrap_or(TlsVersion::V1_3);
    DownstreamTls {
        certificates: certificates.iter().map(|(chain, key)| file_certificate(chain, key)).collect(),
        peer: clients.as_ref().map(|ClientCheck { authorities, names, pins, is_required: _ }| PeerCheck {
            pins: pins.clone(),
            ..peer_check(authorities, names)
        }),
        requires_peer: clients.as_ref().is_some_and(|clients| clients.is_required),
        alpn: requests(),
        // What is usual at least may be more than what is allowed at most.
        limits: TlsLimits { min_version: limits.min_version.min(max_version), ..limits },
        max_version,
    }
}

fn requests() -> Vec<Str> {
    vec!["h2".into(), "http/1.1".into()]
}

/// What chains are called.
pub struct Names {
    /// For requests.
    pub http: Str,
    /// For bytes.
    pub tcp: Str,
    /// For TLS that is passed on.
    pub tls: Str,
}

impl Names {
    /// Those of a port: the main chain is called as the port is.
    pub fn of_port(name: &str, content: &Content) -> Self {
        let tcp = match content {
            Content::Either { .. } => format!("{name}-tcp").into(),
            Content::Http(_) | Content::Tcp(_) => name.into(),
        };
        Self { http: name.into(), tcp, tls: format!("{name}-tls").into() }
    }
}

/// The chains for connections that are as `matches` says.
pub fn chains(
    access_log: Option<&Arc<AccessLog>>,
    names: &Names,
    matches: &ChainMatch,
    content: &Content,
    taken: &Taken,
) -> Vec<FilterChainSpec> {
    let Names { http: http_name, tcp: tcp_name, tls: tls_name } = names;
    let chain = |name: &Str, transport, protocols: &[&str], network: &NetworkSpec| FilterChainSpec {
        name: name.clone(),
        matches: ChainMatch {
            transport,
            application_protocols: protocols.iter().map(|protocol| (*protocol).into()).collect(),
            ..matches.clone()
        },
        tls: None,
        network: network.clone(),
    };
    let (raw, encrypted) = (Some(Transport::RawBuffer), Some(Transport::Tls));
    let ended = |tls: &Arc<DownstreamTls>, name: &Str, protocols: &[&str], network: &NetworkSpec| {
        FilterChainSpec { tls: Some(tls.clone()), ..chain(name, encrypted, protocols, network) }
    };
    let mutual = |name: &Str| Str::from(format!("{name}-mtls"));
    match (taken, content) {
        (Taken::Nothing, _) => {
            let nowhere = NetworkSpec::Tcp(tcp_to("BlackHoleCluster", access_log.cloned()));
            vec![chain(tcp_name, None, &[], &nowhere)]
        }
        (Taken::Plaintext, Content::Http(network)) => vec![chain(http_name, None, &[], network)],
        (Taken::Plaintext, Content::Tcp(network)) => vec![chain(tcp_name, None, &[], network)],
        (Taken::Plaintext, Content::Either { http, tcp }) => {
            let requests = FilterChainSpec {
                matches: plain_text_http(matches.clone()),
                ..chain(http_name, None, &[], http)
            };
            let bytes = opaque_chains(tcp_name, matches, tcp, true).into_iter().zip([tcp_name, tls_name]);
            let bytes = bytes.map(|(chain, name)| FilterChainSpec { name: name.clone(), ..chain });
            std::iter::once(requests).chain(bytes).collect()
        }
        (Taken::Mtls(tls) | Taken::Given(tls), Content::Http(network)) => {
            vec![ended(tls, http_name, &[], network)]
        }
        (Taken::Mtls(tls) | Taken::Given(tls), Content::Tcp(network)) => {
            vec![ended(tls, tcp_name, &[], network)]
        }
        (Taken::Mtls(tls), Content::Either { http, tcp }) => {
            vec![ended(tls, http_name, MTLS_HTTP, http), ended(tls, tcp_name, &[], tcp)]
        }
        // What is inside tells which; clients outside the mesh need not say it when they connect.
        (Taken::Given(tls), Content::Either { http, tcp }) => {
            vec![ended(tls, http_name, &["h2", "http/1.1"], http), ended(tls, tcp_name, &[], tcp)]
        }
        (Taken::Both(tls), Content::Http(network)) => {
            vec![ended(tls, &mutual(http_name), MTLS_ANY, network), chain(http_name, raw, &[], network)]
        }
        (Taken::Both(tls), Content::Tcp(network)) => vec![
            ended(tls, &mutual(tcp_name), MTLS_ANY, network),
            chain(tls_name, encrypted, &[], network),
            chain(tcp_name, raw, &[], network),
        ],
        (Taken::Both(tls), Content::Either { http, tcp }) => vec![
            ended(tls, &mutual(http_name), MTLS_HTTP, http),
            FilterChainSpec { matches: plain_text_http(matches.clone()), ..chain(http_name, raw, &[], http) },
            ended(tls, &mutual(tcp_name), MTLS_TCP, tcp),
            chain(tcp_name, raw, &[], tcp),
            chain(tls_name, encrypted, &[], tcp),
        ],
    }
}
