//! TLS of listeners and clusters. In: what is shown, and whose certificates are taken. Out: Envoy's transport sockets.
//!
//! Secrets are named here. They come over SDS from the workload's agent, by the cluster that its bootstrap has for that; those that the
//! control plane itself has come over the stream that everything comes over.

use crate::config_source::ads_for_secrets;
use crate::envoy::cluster::{Cluster, cluster::TransportSocketMatch};
use crate::envoy::core::config_source::ConfigSourceSpecifier;
use crate::envoy::core::{
    ApiConfigSource, ApiVersion, ConfigSource, GrpcService, TransportSocket, api_config_source::ApiType,
    grpc_service, transport_socket,
};
use crate::envoy::matcher::{StringMatcher, string_matcher::MatchPattern};
use crate::envoy::raw_buffer::RawBuffer;
use crate::envoy::tls::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
    SubjectAltNameMatcher, TlsParameters, UpstreamTlsContext,
    common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
    subject_alt_name_matcher::SanType,
    tls_parameters::TlsProtocol,
};
use crate::metadata::{structure, text};
use crate::names::{RAW_BUFFER, SDS_CLUSTER, TLS};
use crate::value::{boolean, duration};
use mesh_model::{Duration, Pins, Str, TlsLimits, TlsVersion};
use mesh_proto::pack;
use pilot_view::spec::{DownstreamTls, PeerCheck, PeerName, UpstreamSocket, UpstreamTls, is_handed_out};
use std::net::IpAddr;

/// Ciphers up to TLS 1.2 where nobody says which. Istio's.
const CIPHER_SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// TLS that a filter chain ends.
pub(crate) fn build_downstream_tls(tls: &DownstreamTls) -> TransportSocket {
    let DownstreamTls { certificates, peer, requires_peer, alpn, limits, max_version } = tls;
    let parameters = TlsParameters {
        tls_maximum_protocol_version: build_version(*max_version) as i32,
        ..build_limits(limits, CIPHER_SUITES)
    };
    let common = CommonTlsContext {
        tls_params: Some(parameters),
        tls_certificate_sds_secret_configs: certificates.iter().map(secret).collect(),
        alpn_protocols: texts(alpn),
        validation_context_type: peer.as_ref().map(build_peer_check),
        ..Default::default()
    };
    let context = DownstreamTlsContext {
        common_tls_context: Some(common),
        require_client_certificate: boolean(*requires_peer),
        ..Default::default()
    };
    socket(TLS, &context)
}

/// How connections of a cluster are secured.
pub(crate) fn apply_upstream_socket(spec: &UpstreamSocket, cluster: &mut Cluster) {
    match spec {
        UpstreamSocket::Plain => {}
        UpstreamSocket::Tls(tls) => cluster.transport_socket = Some(build_upstream_tls(tls)),
        UpstreamSocket::Auto(tls) => {
            // The first that an endpoint's metadata agrees with is taken, and everything agrees with nothing.
            let takes_mtls = TransportSocketMatch {
                name: "tlsMode-istio".to_owned(),
                r#match: Some(structure([("tlsMode", text("istio"))])),
                transport_socket: Some(build_upstream_tls(tls)),
            };
            let takes_none = TransportSocketMatch {
                name: "tlsMode-disabled".to_owned(),
                r#match: Some(Default::default()),
                transport_socket: Some(socket(RAW_BUFFER, &RawBuffer::default())),
            };
            cluster.transport_socket_matches = vec![takes_mtls, takes_none];
        }
    }
}

fn build_upstream_tls(tls: &UpstreamTls) -> TransportSocket {
    // What depends on the request is set with the cluster's protocol.
    let UpstreamTls { certificate, peer, server_name, checks_host: _, alpn, limits } = tls;
    let common = CommonTlsContext {
        tls_params: Some(build_limits(limits, &[])),
        tls_certificate_sds_secret_configs: certificate.iter().map(secret).collect(),
        alpn_protocols: texts(alpn),
        validation_context_type: peer.as_ref().map(build_peer_check),
        ..Default::default()
    };
    let context = UpstreamTlsContext {
        common_tls_context: Some(common),
        sni: server_name.as_deref().unwrap_or_default().to_owned(),
        ..Default::default()
    };
    socket(TLS, &context)
}

fn build_peer_check(check: &PeerCheck) -> ValidationContextType {
    let PeerCheck { roots, names, pins: Pins { keys, certificates } } = check;
    let here = CertificateValidationContext {
        verify_certificate_spki: texts(keys),
        verify_certificate_hash: texts(certificates),
        match_typed_subject_alt_names: names.iter().flat_map(build_name).collect(),
        ..Default::default()
    };
    ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
        default_validation_context: Some(here),
        validation_context_sds_secret_config: Some(secret(roots)),
        ..Default::default()
    })
}

/// A name as the kinds of name that it can be: Envoy compares those of one kind alone.
fn build_name(name: &PeerName) -> Vec<SubjectAltNameMatcher> {
    let of = |kind: SanType, pattern: MatchPattern| SubjectAltNameMatcher {
        san_type: kind as i32,
        matcher: Some(StringMatcher { ignore_case: false, match_pattern: Some(pattern) }),
        ..Default::default()
    };
    let exact = |kind: SanType, text: &Str| of(kind, MatchPattern::Exact(text.to_string()));
    match name {
        PeerName::Identity(id) => vec![exact(SanType::Uri, id)],
        PeerName::IdentityPrefix(prefix) => vec![of(SanType::Uri, MatchPattern::Prefix(prefix.to_string()))],
        PeerName::Any(name) if name.contains("://") => vec![exact(SanType::Uri, name)],
        PeerName::Any(name) if name.parse::<IpAddr>().is_ok() => {
            vec![exact(SanType::IpAddress, name), exact(SanType::Dns, name)]
        }
        PeerName::Any(name) if name.contains('@') => vec![exact(SanType::Email, name)],
        PeerName::Any(name) => vec![exact(SanType::Dns, name), exact(SanType::Uri, name)],
    }
}

fn build_limits(limits: &TlsLimits, usual: &[&str]) -> TlsParameters {
    let TlsLimits { min_version, cipher_suites, ecdh_curves } = limits;
    let ciphers = match cipher_suites.is_empty() {
        true => usual.iter().map(|name| (*name).to_owned()).collect(),
        false => texts(cipher_suites),
    };
    TlsParameters {
        tls_minimum_protocol_version: build_version(*min_version) as i32,
        tls_maximum_protocol_version: TlsProtocol::TlSv13 as i32,
        cipher_suites: ciphers,
        ecdh_curves: texts(ecdh_curves),
        ..Default::default()
    }
}

fn build_version(version: TlsVersion) -> TlsProtocol {
    match version {
        TlsVersion::V1_0 => TlsProtocol::TlSv10,
        TlsVersion::V1_1 => TlsProtocol::TlSv11,
        TlsVersion::V1_2 => TlsProtocol::TlSv12,
        TlsVersion::V1_3 => TlsProtocol::TlSv13,
    }
}

/// "Over SDS, and wait for it": what needs a certificate does not go on without.
fn secret(name: &Str) -> SdsSecretConfig {
    if is_handed_out(name) {
        return SdsSecretConfig { name: name.to_string(), sds_config: Some(ads_for_secrets()) };
    }
    let agent = grpc_service::EnvoyGrpc { cluster_name: SDS_CLUSTER.to_owned(), ..Default::default() };
    let service = GrpcService {
        target_specifier: Some(grpc_service::TargetSpecifier::EnvoyGrpc(agent)),
        ..Default::default()
    };
    let source = ApiConfigSource {
        api_type: ApiType::Grpc as i32,
        transport_api_version: ApiVersion::V3 as i32,
        set_node_on_first_message_only: true,
        grpc_services: vec![service],
        ..Default::default()
    };
    SdsSecretConfig {
        name: name.to_string(),
        sds_config: Some(ConfigSource {
            initial_fetch_timeout: Some(duration(Duration::ZERO)),
            resource_api_version: ApiVersion::V3 as i32,
            config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(source)),
            ..Default::default()
        }),
    }
}

fn texts(texts: &[Str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn socket(name: &str, config: &impl prost::Name) -> TransportSocket {
    TransportSocket {
        name: name.to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack(config))),
    }
}
