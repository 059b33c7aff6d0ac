//! Access logs: the file and the line format of Istio's default, which log pipelines parse.

use crate::envoy::{accesslog, core};
use crate::names::FILE_ACCESS_LOG;
use mesh_proto::envoy::extensions::access_loggers::file::v3::{FileAccessLog, file_access_log};
use mesh_proto::pack;

/// Istio's documented text format.
const FORMAT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" ",
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
);

/// The response flag of a connection that no filter chain took.
const NO_ROUTE: &str = "NR";

/// A line for each request or connection into the file at `path`; nothing when it is empty.
pub(crate) fn build_access_log(path: &str) -> Vec<accesslog::AccessLog> {
    build(path, None)
}

/// A line for each connection that no filter chain of a listener took: the chains log all others.
pub(crate) fn build_listener_access_log(path: &str) -> Vec<accesslog::AccessLog> {
    let flags = accesslog::ResponseFlagFilter { flags: vec![NO_ROUTE.to_owned()] };
    let specifier = accesslog::access_log_filter::FilterSpecifier::ResponseFlagFilter(flags);
    build(path, Some(accesslog::AccessLogFilter { filter_specifier: Some(specifier) }))
}

fn build(path: &str, filter: Option<accesslog::AccessLogFilter>) -> Vec<accesslog::AccessLog> {
    if path.is_empty() {
        return Vec::new();
    }
    let source = core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineString(FORMAT.to_owned())),
        ..Default::default()
    };
    let format = core::SubstitutionFormatString {
        format: Some(core::substitution_format_string::Format::TextFormatSource(source)),
        ..Default::default()
    };
    let file = FileAccessLog {
        path: path.to_owned(),
        access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(format)),
    };
    vec![accesslog::AccessLog {
        name: FILE_ACCESS_LOG.to_owned(),
        filter,
        config_type: Some(accesslog::access_log::ConfigType::TypedConfig(pack(&file))),
    }]
}
