//! Access logs: files, and services that are told, of each request or connection.

mod format;
mod service;

use crate::envoy::accesslog;
use crate::names::FILE_ACCESS_LOG;
use mesh_model::{AccessLog, AccessLogger, LogFile};
use mesh_proto::envoy::extensions::access_loggers::file::v3::{FileAccessLog, file_access_log};
use mesh_proto::pack;

/// The response flag of a connection that no filter chain took.
const NO_ROUTE: &str = "NR";

/// What entries are about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Requests,
    Connections,
}

/// An entry for each request or connection.
pub(crate) fn build_access_log(log: Option<&AccessLog>, told: Told) -> Vec<accesslog::AccessLog> {
    log.into_iter().flat_map(|log| &log.loggers).map(|logger| build(logger, told, None)).collect()
}

/// An entry for each connection that no filter chain of a listener took: the chains log all others.
pub(crate) fn build_listener_access_log(log: Option<&AccessLog>) -> Vec<accesslog::AccessLog> {
    let filter = || {
        let flags = accesslog::ResponseFlagFilter { flags: vec![NO_ROUTE.to_owned()] };
        let specifier = accesslog::access_log_filter::FilterSpecifier::ResponseFlagFilter(flags);
        accesslog::AccessLogFilter { filter_specifier: Some(specifier) }
    };
    let loggers = log.filter(|log| log.listeners).into_iter().flat_map(|log| &log.loggers);
    loggers.map(|logger| build(logger, Told::Connections, Some(filter()))).collect()
}

fn build(
    logger: &AccessLogger,
    told: Told,
    filter: Option<accesslog::AccessLogFilter>,
) -> accesslog::AccessLog {
    let (name, config) = match logger {
        AccessLogger::File(file) => (FILE_ACCESS_LOG, pack(&build_file(file))),
        AccessLogger::Bootstrap => service::build_of_bootstrap(told),
        AccessLogger::Service(service) => service::build(service),
    };
    accesslog::AccessLog {
        name: name.to_owned(),
        filter,
        config_type: Some(accesslog::access_log::ConfigType::TypedConfig(config)),
    }
}

fn build_file(file: &LogFile) -> FileAccessLog {
    let LogFile { path, format, omit_empty } = file;
    let format = format::build_format(format, *omit_empty);
    FileAccessLog {
        path: path.to_string(),
        access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(format)),
    }
}
