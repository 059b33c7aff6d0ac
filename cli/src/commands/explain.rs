//! `meltemi explain route`: which listener, virtual host, rule, policy and endpoints a request takes, and why each earlier rule does not
//! match. Of files as a cluster would be configured from them, or of a running control plane and the proxies connected to it.

use std::{fmt::Write, path::Path, process::ExitCode};

use anyhow::{Result, bail};
use pilot_ingest::Settings;
use pilot_view::explain::{Request, Scene, choose, proxy_of};
use serde::Deserialize;
use serde_json::Value;

use super::proxy::ask;
use crate::{
    args::ExplainRouteArgs,
    output::{self, Format},
};

/// Both forms of an explanation.
#[derive(Deserialize)]
struct Explained {
    text: String,
    explanation: Value,
}

pub async fn route(args: ExplainRouteArgs) -> Result<ExitCode> {
    let Explained { text, explanation } = match &args.path {
        Some(path) => of_files(path, &args)?,
        None => ask(args.endpoint.socket(), &question(&args)).await?,
    };
    match args.output {
        Format::Text => output::print(&text)?,
        Format::Json => output::print_json(&explanation)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn of_files(path: &Path, args: &ExplainRouteArgs) -> Result<Explained> {
    let ExplainRouteArgs { url, path: _, from, headers, method, destination, output: _, domain, endpoint: _ } =
        args;
    let settings = Settings { domain: domain.clone(), ..Settings::default() };
    let (mesh, report) = pilot_ingest::load(path, settings)?;
    let mut request = Request { method: method.to_string(), destination: destination.clone(), ..url.clone() };
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { bail!("the value of header {name} is not text") };
        request.headers.push((name.as_str().to_owned(), value.to_owned()));
    }
    let proxies: Vec<_> = mesh.workloads().map(|workload| proxy_of(workload)).collect();
    let proxy = choose(&proxies, from)?;
    let explanation =
        Scene::new(&mesh, proxy, &|object| report.sources.get(object).cloned()).explain(&request);
    Ok(Explained { text: explanation.to_string(), explanation: serde_json::to_value(&explanation)? })
}

/// The path of the debug endpoint that answers.
fn question(args: &ExplainRouteArgs) -> String {
    let ExplainRouteArgs {
        url,
        path: _,
        from,
        headers,
        method,
        destination,
        output: _,
        domain: _,
        endpoint: _,
    } = args;
    let Request { scheme, authority, path, .. } = url;
    let mut lines = String::new();
    for (name, value) in headers {
        let _ = writeln!(lines, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    let url = format!("{scheme}://{authority}{path}");
    let mut question = format!(
        "/debug/explain?from={}&url={}&method={method}&headers={}",
        escaped(from),
        escaped(&url),
        escaped(&lines)
    );
    if let Some(destination) = destination {
        let _ = write!(question, "&destination={}", escaped(&destination.to_string()));
    }
    question
}

/// `text` as a value in a query string.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}
