//! ProxyConfig: what proxies are started with. Nothing of it shapes what they are served.

use super::{Model, mesh_config::report_injected};
use crate::{at::At, decode::decode, meta::Meta, values::parse_workload_selector};
use mesh_api::networking::proxy_config as api;
use mesh_model::{ProxyConfig, ProxyStart, Reason};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let at = at.field("spec");
    let spec = match value.get("spec") {
        None => api::ProxyConfigSpec::default(),
        Some(spec) => decode(spec, &at)?,
    };
    let api::ProxyConfigSpec { selector, concurrency, environment_variables, image } = spec;
    let at_concurrency = at.field("concurrency");
    let threads = concurrency.and_then(|count| match u32::try_from(count) {
        Ok(count) => Some(count),
        Err(_) => {
            at_concurrency.error_hint(
                Reason::InvalidValue,
                format!("{count} is no number of threads"),
                "write 0 for one a processor, or a number such as 2",
            );
            None
        }
    });
    if threads.is_some() {
        report_injected(&at_concurrency);
    }
    let at_variables = at.field("environmentVariables");
    let mut environment = BTreeMap::new();
    for (name, value) in environment_variables {
        // What a process cannot be given.
        let whole = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
        if whole {
            environment.insert(name.into(), value.into());
        } else {
            at_variables.field(&name).error_hint(
                Reason::InvalidValue,
                "this is no variable of an environment",
                "a name is not empty and has no `=`; neither it nor its value has a zero byte",
            );
        }
    }
    if !environment.is_empty() {
        report_injected(&at_variables);
    }
    at.field("image").not_supported("imageType", image.is_some_and(|image| image.image_type.is_some()));
    let selector = selector.map(|selector| {
        parse_workload_selector(&selector.match_labels, "matchLabels", &at.field("selector"))
    });
    Some(Model::ProxyConfig(Arc::new(ProxyConfig {
        metadata: meta.metadata,
        selector,
        start: ProxyStart { concurrency: threads, environment, ..ProxyStart::default() },
    })))
}
