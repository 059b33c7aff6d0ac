//! `tracing` of a ProxyConfig: how many requests are traced, and what spans say.
//!
//! In: the block as written. Out: what it means for listeners. Which tracer a proxy has is a matter of its bootstrap, which its agent
//! makes of the same block.

use super::proxy_start::parse_client_tls;
use crate::{
    at::At,
    values::{parse_header_name, parse_percent},
};
use mesh_api::networking::traffic_policy::ClientTlsSettings;
use mesh_model::{Reason, SpanTag, Str, Tracer as Started, TracingSettings};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The block as written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// Of how many requests in a hundred.
    sampling: Option<f64>,
    /// Tags of spans.
    #[serde(default)]
    custom_tags: BTreeMap<String, Tag>,
    /// How much of a path is told.
    max_path_tag_length: Option<u32>,
    /// Spans say whose proxy has made them.
    enable_istio_tags: Option<bool>,
    /// A Zipkin where spans go that no provider takes.
    zipkin: Option<Tracer>,
    /// A Datadog agent where spans go that no provider takes.
    datadog: Option<Tracer>,
    /// TLS towards the tracer.
    tls_settings: Option<ClientTlsSettings>,
}

/// A tracer that a bootstrap has.
#[derive(Deserialize, JsonSchema)]
struct Tracer {
    /// Where it is, as `host:port`.
    address: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Tag {
    /// The tag says always the same.
    literal: Option<Literal>,
    /// The tag is taken from the proxy's environment.
    environment: Option<Named>,
    /// The tag is taken from the request.
    header: Option<Named>,
}

#[derive(Deserialize, JsonSchema)]
struct Literal {
    /// What it says.
    value: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Named {
    /// Of the variable or the header.
    #[serde(default)]
    name: String,
    /// What the tag says when there is none.
    #[serde(default)]
    default_value: String,
}

/// Reads the block.
pub fn parse(tracing: Tracing, at: &At<'_>) -> (TracingSettings, Option<Started>) {
    let Tracing {
        sampling,
        custom_tags,
        max_path_tag_length,
        enable_istio_tags,
        zipkin,
        datadog,
        tls_settings,
    } = tracing;
    // `None`: TLS is asked for that cannot be had.
    let tls = parse_client_tls(tls_settings, &at.field("tlsSettings"));
    let mut started = None;
    for (name, tracer) in [("zipkin", zipkin), ("datadog", datadog)] {
        let Some(Tracer { address }) = tracer else { continue };
        let at = at.field(name);
        let Some(address) = address.filter(|address| !address.is_empty()) else { continue };
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            let message = "this has no port, so that proxies send their spans nowhere";
            at.field("address").error_hint(Reason::InvalidValue, message, "write host:port");
            continue;
        }
        if let Some(tls) = &tls {
            let tls = tls.clone();
            started.get_or_insert(Started { datadog: name == "datadog", address: address.into(), tls });
        }
    }
    let usual = TracingSettings::default();
    let at_sampling = at.field("sampling");
    if sampling == Some(0.0) {
        at_sampling.warning_hint(
            Reason::InvalidValue,
            "0 counts as not set, as in Istio: one request in a hundred is traced",
            "to trace none, set `enableTracing: false` or the least, 0.0001",
        );
    }
    let sampling = sampling.filter(|sampling| *sampling != 0.0);
    let at_tags = at.field("customTags");
    let tags = custom_tags.into_iter().filter_map(|(name, tag)| parse_tag(name, tag, &at_tags));
    let settings = TracingSettings {
        sampling: sampling.and_then(|value| parse_percent(value, &at_sampling)).unwrap_or(usual.sampling),
        tags: tags.collect(),
        max_path_length: max_path_tag_length.filter(|length| *length != 0),
        without_workload_tags: enable_istio_tags == Some(false),
    };
    (settings, started)
}

fn parse_tag(name: String, tag: Tag, at: &At<'_>) -> Option<(Str, SpanTag)> {
    let at = at.field(&name);
    let Tag { literal, environment, header } = tag;
    if name.is_empty() {
        at.error_hint(
            Reason::Required,
            "a tag needs a name",
            "write the name that spans are to have the tag under",
        );
        return None;
    }
    let value = match (literal, environment, header) {
        (Some(Literal { value }), None, None) => match value.filter(|value| !value.is_empty()) {
            Some(value) => SpanTag::Literal(value.into()),
            None => {
                at.field("literal").field("value").error_hint(
                    Reason::Required,
                    "the tag would say nothing",
                    "write what the tag is to say, or leave it out",
                );
                return None;
            }
        },
        (None, Some(Named { name, default_value }), None) => {
            if name.is_empty() {
                at.field("environment").field("name").error_hint(
                    Reason::Required,
                    "which variable?",
                    "write the name of the variable, as in `name: HOSTNAME`",
                );
                return None;
            }
            SpanTag::Environment(name.into(), default_value.into())
        }
        (None, None, Some(Named { name, default_value })) => {
            let name = parse_header_name(&name, &at.field("header").field("name"))?;
            SpanTag::Header(name, default_value.into())
        }
        _ => {
            at.error_hint(
                Reason::Conflict,
                "a tag says one thing; it is left out",
                "write one of literal, environment and header",
            );
            return None;
        }
    };
    Some((name.into(), value))
}
