//! HTTP/1 headers as they were written: Envoy writes names in lower case unless it is told to keep them.

use crate::envoy::core::http1_protocol_options::{HeaderKeyFormat, header_key_format::HeaderFormat};
use crate::envoy::core::{Http1ProtocolOptions, TypedExtensionConfig};
use mesh_proto::envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;
use mesh_proto::pack;

/// Settings of HTTP/1 that keep the case of names of headers if `kept`.
pub(crate) fn http1_options(kept: bool) -> Http1ProtocolOptions {
    let formatter = || TypedExtensionConfig {
        name: "preserve_case".to_owned(),
        typed_config: Some(pack(&PreserveCaseFormatterConfig::default())),
    };
    Http1ProtocolOptions {
        header_key_format: kept
            .then(|| HeaderKeyFormat { header_format: Some(HeaderFormat::StatefulFormatter(formatter())) }),
        ..Default::default()
    }
}
