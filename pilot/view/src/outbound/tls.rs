//! How a cluster's connections are secured: as its DestinationRule says, otherwise by mTLS to endpoints that take it.

use super::ServiceContext;
use crate::{
    Scope,
    spec::{
        ClusterDiscovery, MESH_ROOTS, OWN_CERTIFICATE, PeerCheck, PeerName, UpstreamProtocol, UpstreamSocket,
        UpstreamTls, config_map_authorities, credential_authorities, credential_certificate,
    },
};
use mesh_model::{
    Authorities, AuthoritySource, Certificate, ClientTls, GivenTls, Halves, OutboundPolicy, Pins, Registry,
    ServicePort, Str,
};

/// A cluster as far as it matters here.
pub struct Connecting<'a> {
    pub context: &'a ServiceContext<'a>,
    pub port: &'a ServicePort,
    pub subset: &'a str,
    pub discovery: &'a ClusterDiscovery,
    pub protocol: UpstreamProtocol,
}

impl Connecting<'_> {
    /// How connections are secured, given what the DestinationRule says; `None`: not as they must be, so there are none.
    pub fn socket(&self, tls: Option<&ClientTls>) -> Option<UpstreamSocket> {
        let has_identity = self.context.scope.key.has_identity;
        match tls {
            Some(ClientTls::Disable) => Some(UpstreamSocket::Plain),
            Some(ClientTls::Impossible) => None,
            // Certificates and roots come over SDS, whosever they are.
            Some(ClientTls::Mesh { .. } | ClientTls::Given(_)) if !has_identity => None,
            Some(ClientTls::Mesh { server_name, names }) => {
                let names = names.iter().cloned().map(PeerName::Any).collect();
                Some(UpstreamSocket::Tls(self.of_mesh(server_name.clone(), names)))
            }
            Some(ClientTls::Given(given)) if !self.has_credential(given) => None,
            Some(ClientTls::Given(given)) => Some(UpstreamSocket::Tls(self.given(given))),
            Some(ClientTls::OfGateways) | None if has_identity => Some(self.automatic()),
            Some(ClientTls::OfGateways) | None => Some(UpstreamSocket::Plain),
        }
    }

    /// Auto mTLS.
    fn automatic(&self) -> UpstreamSocket {
        let Self { context: ServiceContext { scope, service, rule: _ }, port, .. } = self;
        let known = scope.mesh.endpoints(service).and_then(|endpoints| endpoints.identities(port.number));
        let Some(known) = known.filter(|_| scope.mesh.config().auto_mtls && !service.external) else {
            return UpstreamSocket::Plain;
        };
        match self.discovery {
            // To whom is not known before the client connects: as Istio, mTLS only if it is good for all.
            ClusterDiscovery::OriginalDst { .. } if known.all_mtls => {
                UpstreamSocket::Tls(self.of_mesh(None, Vec::new()))
            }
            ClusterDiscovery::OriginalDst { .. }
            | ClusterDiscovery::Dynamic(_)
            | ClusterDiscovery::Nowhere => UpstreamSocket::Plain,
            ClusterDiscovery::Eds
            | ClusterDiscovery::StrictDns { .. }
            | ClusterDiscovery::LogicalDns { .. }
            | ClusterDiscovery::Static { .. }
                if known.any_mtls =>
            {
                UpstreamSocket::Auto(self.of_mesh(None, Vec::new()))
            }
            ClusterDiscovery::Eds
            | ClusterDiscovery::StrictDns { .. }
            | ClusterDiscovery::LogicalDns { .. }
            | ClusterDiscovery::Static { .. } => UpstreamSocket::Plain,
        }
    }

    /// mTLS with the mesh's certificates.
    fn of_mesh(&self, server_name: Option<Str>, names: Vec<PeerName>) -> UpstreamTls {
        let Self { context: ServiceContext { scope, service, rule: _ }, port, subset, .. } = self;
        let default_name = || format!("outbound_.{}_.{subset}_.{}", port.number, service.host).into();
        UpstreamTls {
            certificate: Some(OWN_CERTIFICATE.into()),
            peer: Some(PeerCheck {
                roots: MESH_ROOTS.into(),
                names: if names.is_empty() { self.identities() } else { names },
                pins: Pins::default(),
            }),
            server_name: Some(server_name.unwrap_or_else(default_name)),
            checks_host: false,
            alpn: alpn(self.protocol),
            limits: scope.mesh.config().mesh_mtls.clone(),
        }
    }

    /// Who the endpoints are. Where nobody says it, anybody of the mesh, which is stricter than Istio, where it is anybody whom the
    /// roots have signed; of services outside, that is all that can be said.
    fn identities(&self) -> Vec<PeerName> {
        let Self { context: ServiceContext { scope, service, rule: _ }, port, .. } = self;
        let config = scope.mesh.config();
        let known = scope.mesh.endpoints(service).and_then(|endpoints| endpoints.identities(port.number));
        let of_endpoints = known.into_iter().flat_map(|known| &known.accounts);
        let of_endpoints = of_endpoints.map(|(namespace, account)| (namespace, account));
        let accounts =
            of_endpoints.chain(service.accounts.iter().map(|account| (service.namespace(), account)));
        let mut names: Vec<PeerName> = accounts
            .flat_map(|(namespace, account)| {
                let domains = config.trust_domains();
                domains.map(move |domain| format!("spiffe://{domain}/ns/{namespace}/sa/{account}"))
            })
            .map(|id| PeerName::Identity(id.into()))
            .collect();
        names.extend(service.subject_alt_names.iter().cloned().map(PeerName::Any));
        if names.is_empty() && !service.external {
            let domains = config.trust_domains();
            names = domains
                .map(|domain| PeerName::IdentityPrefix(format!("spiffe://{domain}/").into()))
                .collect();
        }
        names.sort();
        names.dedup();
        names
    }

    /// Whether the credential that it names, if it does, can be used. One that nobody has looked for yet may be: Envoy waits for it.
    fn has_credential(&self, given: &GivenTls) -> bool {
        let ServiceContext { scope, service: _, rule: _ } = self.context;
        let named = given.credential(&scope.key.namespace);
        let Some((object, Halves { certificate, authorities })) = named else { return true };
        scope.mesh.credential(&object).is_none_or(|credential| {
            !(certificate && credential.certificate.is_err()
                || authorities && credential.authorities.is_err())
        })
    }

    /// TLS with certificates from elsewhere.
    fn given(&self, given: &GivenTls) -> UpstreamTls {
        let Self { context: ServiceContext { scope, service, rule: _ }, .. } = self;
        let names = match given.names.is_empty() && service.registry == Registry::External {
            true => &service.subject_alt_names,
            false => &given.names,
        };
        given_tls(given, names, self.protocol, scope)
    }
}

/// How connections to hosts are secured that no service names and that are looked up, as the mesh says; `None` as in
/// [`Connecting::socket`].
pub fn strangers_socket(scope: &Scope<'_>) -> Option<UpstreamSocket> {
    let config = scope.mesh.config();
    match &config.outbound_tls {
        _ if scope.outbound_policy() != OutboundPolicy::AllowAnyDynamicDns => Some(UpstreamSocket::Plain),
        ClientTls::Disable => Some(UpstreamSocket::Plain),
        ClientTls::Given(given) if scope.key.has_identity => {
            let tls = given_tls(given, &given.names, UpstreamProtocol::Downstream, scope);
            Some(UpstreamSocket::Tls(tls))
        }
        ClientTls::Given(_) | ClientTls::Mesh { .. } | ClientTls::OfGateways | ClientTls::Impossible => None,
    }
}

/// TLS with certificates from elsewhere, to servers of these names.
fn given_tls(given: &GivenTls, names: &[Str], protocol: UpstreamProtocol, scope: &Scope<'_>) -> UpstreamTls {
    let GivenTls { certificate, authorities, names: _, server_name } = given;
    let peer = authorities.as_ref().map(|authorities| peer_check(authorities, names));
    UpstreamTls {
        certificate: certificate.as_ref().map(|certificate| match certificate {
            Certificate::Files { chain, key } => file_certificate(chain, key),
            Certificate::Credential(name) => credential_certificate(name),
        }),
        checks_host: server_name.is_none() && names.is_empty() && peer.is_some(),
        peer,
        server_name: server_name.clone(),
        alpn: match protocol {
            UpstreamProtocol::Http2 => vec!["h2".into()],
            UpstreamProtocol::Http1 | UpstreamProtocol::Downstream | UpstreamProtocol::Tcp => Vec::new(),
        },
        limits: scope.mesh.config().tls_defaults.clone(),
    }
}

/// The secret that the agent makes of a certificate and its key in files.
pub fn file_certificate(chain: &str, key: &str) -> Str {
    format!("file-cert:{chain}~{key}").into()
}

/// A check of the other side's certificate against authorities that are given.
pub fn peer_check(authorities: &Authorities, names: &[Str]) -> PeerCheck {
    let Authorities { source, revoked } = authorities;
    let of_file = |file: &str| match revoked {
        // The agent makes one secret of both, so that either may be replaced while connections are made.
        Some(revoked) => format!("file-root:{file}~{revoked}").into(),
        None => format!("file-root:{file}").into(),
    };
    PeerCheck {
        roots: match source {
            AuthoritySource::System => of_file("system"),
            AuthoritySource::File(file) => of_file(file),
            // Revocation lists are in the Secret or ConfigMap.
            AuthoritySource::Credential(name) => credential_authorities(name),
            AuthoritySource::ConfigMap(name) => config_map_authorities(name),
        },
        names: names.iter().cloned().map(PeerName::Any).collect(),
        pins: Pins::default(),
    }
}

/// What is offered to proxies of the mesh: it tells them what is spoken. `istio-peer-exchange` is never offered, as nothing here would send
/// the metadata that it promises. Where it depends on the request, a filter overrides this.
fn alpn(protocol: UpstreamProtocol) -> Vec<Str> {
    let protocols: &[&str] = match protocol {
        UpstreamProtocol::Http1 => &["istio-http/1.1", "istio", "http/1.1"],
        UpstreamProtocol::Http2 => &["istio-h2", "istio", "h2"],
        UpstreamProtocol::Tcp | UpstreamProtocol::Downstream => &["istio"],
    };
    protocols.iter().map(|protocol| (*protocol).into()).collect()
}
