//! What `resolution: DYNAMIC_DNS` needs of the rest of a ServiceEntry: the proxy resolves the name that each request or TLS client asks for.

use crate::at::At;
use mesh_model::{Protocol, Reason, ServicePort};

/// Whether the object can be meant at all.
pub(super) fn check(external: bool, has_endpoints: bool, at: &At<'_>) -> Option<()> {
    if has_endpoints {
        at.error_hint(
            Reason::Conflict,
            "with resolution DYNAMIC_DNS the endpoints are never used: each request is for the name that it asks for",
            "leave `endpoints` and `workloadSelector` away, or set `resolution: DNS`",
        );
        return None;
    }
    if !external {
        at.field("location").error_hint(
            Reason::Conflict,
            "resolution DYNAMIC_DNS is for names outside of the mesh",
            "set `location: MESH_EXTERNAL`",
        );
        return None;
    }
    Some(())
}

/// Whether what is spoken on `port` tells a name.
pub(super) fn takes(port: &mut ServicePort, at: &At<'_>) -> bool {
    let tls = port.protocol.is_tls();
    if !port.protocol.is_http() && !tls {
        let spoken = match port.protocol {
            Protocol::Auto => "does not say what is spoken",
            _ => "speaks what tells no name",
        };
        at.error_hint(
            Reason::Conflict,
            format!("port `{}` {spoken}, so there is nothing to resolve; it is left out", port.name),
            "with resolution DYNAMIC_DNS a port has `protocol: HTTP`, HTTP2, GRPC or TLS",
        );
        return false;
    }
    if !tls && port.target.is_some_and(|target| target != port.number) {
        at.warning_hint(
            Reason::NotSupported,
            format!("port `{}` is called as the requests say, so its targetPort is not used", port.name),
            "leave `targetPort` out",
        );
        port.target = None;
    }
    true
}
