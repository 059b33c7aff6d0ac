//! `redirect`: sends the client somewhere else.

use crate::envoy::route::RedirectAction;
use crate::envoy::route::redirect_action::{
    PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier,
};
use mesh_model::{Redirect, RedirectPath, RedirectPort};

/// The redirect that the block describes.
pub(super) fn build_redirect(redirect: &Redirect) -> RedirectAction {
    let Redirect { path, authority, port, scheme, code } = redirect;
    RedirectAction {
        host_redirect: authority.to_string(),
        path_rewrite_specifier: path.as_ref().map(|path| match path {
            RedirectPath::Full(path) => PathRewriteSpecifier::PathRedirect(path.to_string()),
            RedirectPath::Prefix(prefix) => PathRewriteSpecifier::PrefixRewrite(prefix.to_string()),
        }),
        port_redirect: port.map(|port| build_port(port, scheme)).unwrap_or_default(),
        scheme_rewrite_specifier: (!scheme.is_empty())
            .then(|| SchemeRewriteSpecifier::SchemeRedirect(scheme.to_string())),
        response_code: build_code(*code) as i32,
        ..Default::default()
    }
}

/// The port, or 0 to leave it to Envoy: it keeps the port of the request's `Host`, and drops the default port of the
/// old scheme when the scheme changes. Default ports are not spelled out. The request's own port is a number by now: only
/// who made the spec knows it.
fn build_port(port: RedirectPort, scheme: &str) -> u32 {
    match (port, scheme) {
        (RedirectPort::FromProtocolDefault | RedirectPort::FromRequest, _) => 0,
        (RedirectPort::Number(80), "" | "http") | (RedirectPort::Number(443), "https") => 0,
        (RedirectPort::Number(port), _) => port.into(),
    }
}

fn build_code(code: u16) -> RedirectResponseCode {
    match code {
        302 => RedirectResponseCode::Found,
        303 => RedirectResponseCode::SeeOther,
        307 => RedirectResponseCode::TemporaryRedirect,
        308 => RedirectResponseCode::PermanentRedirect,
        // 301, which is also Istio's default; ingest lets no other code through.
        _ => RedirectResponseCode::MovedPermanently,
    }
}
