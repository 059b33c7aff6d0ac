//! `accessLogFile`, `accessLogFormat`, `accessLogEncoding` and `enableEnvoyAccessLogService`, and the providers `envoyFileAccessLog`.
//!
//! In: these as written. Out: a log that every Envoy accepts. A format that Envoy does not understand would make it refuse
//! every listener of the mesh, so it is read here as Envoy reads it; what is wrong with it leaves Istio's format in effect.

use crate::{at::At, document, values::log_fault};
use mesh_model::{AccessLog, AccessLogger, LogFile, LogFormat, LogValue, Problem, Reason, Str};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// `accessLogEncoding`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Encoding {
    Text,
    Json,
}

/// The settings about access logs.
pub struct Settings {
    pub file: Option<String>,
    pub format: Option<String>,
    pub encoding: Option<Encoding>,
    pub no_listeners: Option<bool>,
    /// `enableEnvoyAccessLogService`.
    pub service: Option<bool>,
    /// Those of `defaultProviders.accessLogging`, where it names some that can be used.
    pub provided: Option<Vec<AccessLogger>>,
}

/// Reads the settings. Where nobody is told nothing is logged, whatever the others say.
pub fn parse(settings: Settings, at: &At<'_>) -> Option<Arc<AccessLog>> {
    let Settings { file, format, encoding, no_listeners, service, provided } = settings;
    let at_format = at.field("accessLogFormat");
    let format = format.filter(|format| !format.is_empty());
    let format = match encoding {
        None | Some(Encoding::Text) => LogFormat::Text(format.and_then(|text| parse_text(&text, &at_format))),
        Some(Encoding::Json) => LogFormat::Json(format.and_then(|text| parse_json(&text, &at_format))),
    };
    let listeners = !no_listeners.unwrap_or(false);
    // They are told instead.
    let loggers = provided.unwrap_or_else(|| {
        let path = file.filter(|file| !file.is_empty());
        let file = path.map(|path| LogFile { path: path.into(), format, omit_empty: false });
        let service = (service == Some(true)).then_some(AccessLogger::Bootstrap);
        file.map(AccessLogger::File).into_iter().chain(service).collect()
    });
    (!loggers.is_empty()).then(|| Arc::new(AccessLog { loggers, listeners }))
}

/// `extensionProviders[].envoyFileAccessLog`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileProvider {
    /// The file; `/dev/stdout` if it is not said.
    path: Option<String>,
    /// How lines are written.
    log_format: Option<ProviderFormat>,
    /// What has no value is left out.
    #[serde(default)]
    omit_empty_values: bool,
}

#[derive(Deserialize, JsonSchema)]
struct ProviderFormat {
    /// What a line says.
    text: Option<String>,
    /// A line is JSON with these fields.
    labels: Option<Map<String, Value>>,
}

/// Reads a provider.
pub fn parse_provider(provider: FileProvider, at: &At<'_>) -> LogFile {
    let FileProvider { path, log_format, omit_empty_values } = provider;
    let at = at.field("logFormat");
    let format = match log_format {
        None => LogFormat::Text(None),
        Some(ProviderFormat { text, labels }) => {
            if text.is_some() && labels.is_some() {
                at.field("labels").error_hint(
                    Reason::Conflict,
                    "with `text` this does not count",
                    "leave one of the two out",
                );
            }
            match (text.filter(|text| !text.is_empty()), labels) {
                (None, Some(labels)) if !labels.is_empty() => {
                    LogFormat::Json(match parse_value(&Value::Object(labels), &at.field("labels")) {
                        Some(LogValue::Fields(fields)) => Some(fields),
                        _ => None,
                    })
                }
                (None, Some(_)) => LogFormat::Json(None),
                (text, _) => LogFormat::Text(text.and_then(|text| parse_text(&text, &at.field("text")))),
            }
        }
    };
    let path = path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/dev/stdout".to_owned());
    LogFile { path: path.into(), format, omit_empty: omit_empty_values }
}

/// One line.
fn parse_text(text: &str, at: &At<'_>) -> Option<Str> {
    check(text, at)?;
    let end = if text.ends_with('\n') { "" } else { "\n" };
    Some(format!("{text}{end}").into())
}

fn parse_json(text: &str, at: &At<'_>) -> Option<std::collections::BTreeMap<mesh_model::Str, LogValue>> {
    match document::parse_text(text) {
        Ok(Value::Object(fields)) => match parse_value(&Value::Object(fields), at)? {
            LogValue::Fields(fields) => Some(fields),
            _ => None,
        },
        Ok(other) => {
            let found = crate::decode::describe(&other);
            at.error_hint(
                Reason::InvalidType,
                format!(
                    "in the encoding JSON a format is a map of texts, this is {found}; Istio's format is used"
                ),
                "write {\"code\": \"%RESPONSE_CODE%\"}, or the encoding TEXT",
            );
            None
        }
        Err(problem) => {
            at.report(Problem { path: at.path(), ..problem });
            None
        }
    }
}

/// `None` when a part cannot be used: half a line is not what anybody asked for.
fn parse_value(value: &Value, at: &At<'_>) -> Option<LogValue> {
    Some(match value {
        Value::Null => LogValue::Null,
        Value::Bool(value) => LogValue::Bool(*value),
        Value::Number(number) => match number.as_i64().and_then(|number| i32::try_from(number).ok()) {
            Some(number) => LogValue::Number(number),
            None => {
                at.error_hint(
                    Reason::InvalidValue,
                    format!("{number} is no whole number"),
                    "put it in quotes",
                );
                return None;
            }
        },
        Value::String(text) => {
            check(text, at)?;
            LogValue::Text(text.as_str().into())
        }
        Value::Array(values) => {
            let parsed = values.iter().enumerate().map(|(index, value)| parse_value(value, &at.index(index)));
            LogValue::List(parsed.collect::<Option<_>>()?)
        }
        Value::Object(fields) => {
            let parsed = fields
                .iter()
                .map(|(name, value)| Some((name.as_str().into(), parse_value(value, &at.field(name))?)));
            LogValue::Fields(parsed.collect::<Option<_>>()?)
        }
    })
}

fn check(text: &str, at: &At<'_>) -> Option<()> {
    check_format(text, "Istio's format is used instead", at)
}

/// `None` when Envoy does not understand a format; `instead` is what happens then.
pub(super) fn check_format(text: &str, instead: &str, at: &At<'_>) -> Option<()> {
    match log_fault(text) {
        None => Some(()),
        Some(fault) => {
            at.error_hint(
                Reason::InvalidValue,
                format!("{fault}; {instead}"),
                "commands look like %RESPONSE_CODE% or %REQ(X-REQUEST-ID)%; a percent sign is %%",
            );
            None
        }
    }
}
