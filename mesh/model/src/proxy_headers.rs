//! What proxies add to requests and answers, and what they leave out: `proxyHeaders` of Istio's ProxyConfig.

use crate::Str;
use serde::Serialize;

/// `proxyHeaders`. The default is Istio's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ProxyHeaders {
    /// `forwardedClientCert`: what becomes of `x-forwarded-client-cert` where requests come in; `None`: what came is kept, and the
    /// client's certificate is added.
    pub client_cert: Option<ForwardClientCert>,
    /// `setCurrentClientCertDetails`: what is told of the client's certificate; `None`: subject, DNS names and URI.
    pub client_cert_details: Option<ClientCertDetails>,
    /// `server`: the header of that name in answers; `None`: `istio-envoy`.
    pub server: Option<ServerHeader>,
    /// `requestId.disabled`: requests without `x-request-id` get none.
    pub without_request_id: bool,
    /// `attemptCount.disabled`: requests do not say how often they have been tried (`x-envoy-attempt-count`).
    pub without_attempt_count: bool,
    /// `envoyDebugHeaders.disabled`: no `x-envoy-upstream-service-time` and its like.
    pub without_debug: bool,
    /// `xForwardedPort.enabled`: requests say at which port they came in.
    pub forwarded_port: bool,
    /// `xForwardedHost.enabled`: requests whose host is rewritten say which one they came with.
    pub forwarded_host: bool,
    /// `preserveHttp1HeaderCase`: names of HTTP/1 headers go out as they came in, not in lower case.
    pub keeps_case: bool,
}

/// `forwardedClientCert`, as Envoy has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ForwardClientCert {
    /// Nothing is sent on.
    Sanitize,
    /// What came over mutual TLS is sent on.
    ForwardOnly,
    /// The same, and the client's certificate is added.
    AppendForward,
    /// The client's certificate takes the place of what came.
    SanitizeSet,
    /// What came is sent on, however it came.
    AlwaysForwardOnly,
}

/// `setCurrentClientCertDetails`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)] // The names are the fields' own.
pub struct ClientCertDetails {
    pub subject: bool,
    pub cert: bool,
    pub chain: bool,
    pub dns: bool,
    pub uri: bool,
}

/// `server`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ServerHeader {
    /// `disabled`: the application's own, if it sends one.
    PassThrough,
    /// `value`.
    Named(Str),
}
