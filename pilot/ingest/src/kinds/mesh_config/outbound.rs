//! `outboundTrafficPolicy`: what becomes of traffic to hosts that nobody knows.

use super::written::{OutboundMode, OutboundTrafficPolicy};
use crate::{at::At, kinds::traffic_policy::parse_tls};
use mesh_api::networking::traffic_policy::{ClientTlsMode, ClientTlsSettings};
use mesh_model::{ClientTls, OutboundPolicy, Reason};

/// Reads the block.
pub fn parse(policy: OutboundTrafficPolicy, at: &At<'_>) -> (OutboundPolicy, ClientTls) {
    let OutboundTrafficPolicy { mode, tls } = policy;
    let mode = match mode {
        None | Some(OutboundMode::RegistryOnly) => OutboundPolicy::RegistryOnly,
        Some(OutboundMode::AllowAny) => OutboundPolicy::AllowAny,
        Some(OutboundMode::AllowAnyDynamicDns) => OutboundPolicy::AllowAnyDynamicDns,
    };
    let at = at.field("tls");
    let Some(tls) = tls else { return (mode, ClientTls::Disable) };
    if mode != OutboundPolicy::AllowAnyDynamicDns {
        at.warning_hint(
            Reason::Conflict,
            "this is for workloads alone whose Sidecar has the mode ALLOW_ANY_DYNAMIC_DNS: connections are secured only to hosts that proxies look up",
            "write `mode: ALLOW_ANY_DYNAMIC_DNS`, or leave it out",
        );
    }
    (mode, towards_strangers(tls, &at))
}

/// `tls`. Hosts that nobody knows have no identity of the mesh, and proxies of all namespaces call them.
fn towards_strangers(tls: ClientTlsSettings, at: &At<'_>) -> ClientTls {
    if matches!(tls.mode, Some(ClientTlsMode::IstioMutual)) {
        at.field("mode").error_hint(
            Reason::InvalidValue,
            "hosts that nobody knows are not of the mesh, so no request is sent to them",
            "write SIMPLE, or MUTUAL with a certificate in files",
        );
        return ClientTls::Impossible;
    }
    if tls.credential_name.as_ref().is_some_and(|name| !name.is_empty()) {
        at.field("credentialName").error_hint(
            Reason::NotSupported,
            "Secrets and ConfigMaps are of one namespace and this is for all, so no request is sent to hosts that nobody knows",
            "mount the Secret, and write its files as clientCertificate, privateKey and caCertificates",
        );
        return ClientTls::Impossible;
    }
    parse_tls(tls, false, at)
}
