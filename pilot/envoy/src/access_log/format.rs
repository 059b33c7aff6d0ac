//! What lines of access logs look like: Istio's formats, which log pipelines parse, or the mesh's own.

use crate::envoy::{core, wkt};
use crate::metadata::{list, text};
use mesh_model::{LogFormat, LogValue, Str};
use mesh_proto::envoy::extensions::formatter::{
    metadata::v3::Metadata, req_without_query::v3::ReqWithoutQuery,
};
use mesh_proto::pack;
use std::collections::BTreeMap;

/// Istio's documented text format.
pub(super) const TEXT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" ",
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
);

/// Istio's JSON format: the same, by name.
const JSON: &[(&str, &str)] = &[
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration", "%DURATION%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("route_name", "%ROUTE_NAME%"),
    ("start_time", "%START_TIME%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
];

pub(super) fn build_format(format: &LogFormat, omit_empty_values: bool) -> core::SubstitutionFormatString {
    use core::substitution_format_string::Format;
    let (format, formatters) = match format {
        LogFormat::Text(own) => {
            let own = own.as_deref().unwrap_or(TEXT);
            let source = core::DataSource {
                specifier: Some(core::data_source::Specifier::InlineString(own.to_owned())),
                ..Default::default()
            };
            (Format::TextFormatSource(source), build_formatters(&mut std::iter::once(own)))
        }
        LogFormat::Json(own) => {
            let usual = || {
                let field =
                    |(name, value): &(&str, &str)| (Str::from(*name), LogValue::Text((*value).into()));
                JSON.iter().map(field).collect()
            };
            let fields = own.clone().unwrap_or_else(usual);
            let mut texts = Vec::new();
            fields.values().for_each(|value| collect_texts(value, &mut texts));
            let formatters = build_formatters(&mut texts.into_iter());
            (Format::JsonFormat(build_struct(&fields)), formatters)
        }
    };
    core::SubstitutionFormatString {
        format: Some(format),
        formatters,
        omit_empty_values,
        ..Default::default()
    }
}

fn collect_texts<'a>(value: &'a LogValue, texts: &mut Vec<&'a str>) {
    match value {
        LogValue::Null | LogValue::Bool(_) | LogValue::Number(_) => {}
        LogValue::Text(text) => texts.push(text),
        LogValue::List(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        LogValue::Fields(fields) => fields.values().for_each(|value| collect_texts(value, texts)),
    }
}

/// Commands that Envoy knows by extensions only, each named where it is used.
pub(super) fn build_formatters(texts: &mut dyn Iterator<Item = &str>) -> Vec<core::TypedExtensionConfig> {
    let rows = [
        ("%REQ_WITHOUT_QUERY(", "envoy.formatter.req_without_query", pack(&ReqWithoutQuery {})),
        ("%METADATA(", "envoy.formatter.metadata", pack(&Metadata {})),
    ];
    let mut used = [false; 2];
    for text in texts {
        for (used, (command, ..)) in used.iter_mut().zip(&rows) {
            *used |= text.contains(command);
        }
    }
    let used = rows.into_iter().zip(used).filter(|(_, used)| *used);
    used.map(|((_, name, config), _)| core::TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(config),
    })
    .collect()
}

fn build_struct(fields: &BTreeMap<Str, LogValue>) -> wkt::Struct {
    let fields = fields.iter().map(|(name, value)| (name.to_string(), build_value(value)));
    wkt::Struct { fields: fields.collect() }
}

fn build_value(value: &LogValue) -> wkt::Value {
    use wkt::value::Kind;
    let kind = match value {
        LogValue::Text(value) => return text(&**value),
        LogValue::List(values) => return list(values.iter().map(build_value).collect()),
        LogValue::Null => Kind::NullValue(0),
        LogValue::Bool(value) => Kind::BoolValue(*value),
        LogValue::Number(number) => Kind::NumberValue(f64::from(*number)),
        LogValue::Fields(fields) => Kind::StructValue(build_struct(fields)),
    };
    wkt::Value { kind: Some(kind) }
}
