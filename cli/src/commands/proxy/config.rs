//! `meltemi proxy config`: the resources that a proxy is meant to have, whole or one line each.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::ask;
use crate::{
    args::{ConfigPart, ProxyConfigArgs},
    output::{self, ConfigFormat},
    table::Table,
};

pub async fn run(args: ProxyConfigArgs) -> Result<ExitCode> {
    let ProxyConfigArgs { name, part, output, endpoint } = args;
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        bail!("`{name}` is not the name of a proxy: write `<pod>.<namespace>`");
    }
    let path = format!("/debug/config_dump?proxyID={name}");
    let mut dump: Map<String, Value> = ask(endpoint.socket(), &path).await?;
    dump.retain(|kind, _| is_part(kind, part));
    match output {
        ConfigFormat::Json => output::print_json(&dump)?,
        ConfigFormat::Yaml => output::print_yaml(&dump)?,
        ConfigFormat::Short => output::print(&short(&dump))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether resources of the type `kind`, such as `cds`, belong to `part`.
fn is_part(kind: &str, part: ConfigPart) -> bool {
    match part {
        ConfigPart::All => true,
        ConfigPart::Clusters => kind == "cds",
        ConfigPart::Listeners => kind == "lds",
        ConfigPart::Routes => matches!(kind, "rds" | "vhds"),
        ConfigPart::Endpoints => kind == "eds",
    }
}

fn short(dump: &Map<String, Value>) -> String {
    let tables = dump.iter().filter_map(|(kind, resources)| {
        let configs: Vec<&Value> = items(resources).iter().map(|resource| &resource["config"]).collect();
        if configs.is_empty() {
            return None;
        }
        Some(match kind.as_str() {
            "cds" => clusters(&configs),
            "lds" => listeners(&configs),
            "rds" => routes(&configs),
            "vhds" => virtual_hosts(&configs),
            "eds" => endpoints(&configs),
            other => names(other, &configs),
        })
    });
    tables.map(|table| table.to_string()).collect::<Vec<_>>().join("\n")
}

fn clusters(resources: &[&Value]) -> Table {
    let mut table = Table::new(["CLUSTER", "TYPE", "BALANCING"]);
    for cluster in resources {
        // What equals Envoy's default is left out of its JSON.
        let or = |field: &str, default: &str| match text(cluster, field) {
            text if text.is_empty() => default.to_owned(),
            text => text,
        };
        table.row([text(cluster, "name"), or("type", "STATIC"), or("lb_policy", "ROUND_ROBIN")]);
    }
    table
}

fn listeners(resources: &[&Value]) -> Table {
    let mut table = Table::new(["LISTENER", "ADDRESS", "PORT", "CHAINS"]);
    for listener in resources {
        let (address, port) = address(&listener["address"]);
        let chains = items(&listener["filter_chains"]).len()
            + usize::from(listener["default_filter_chain"].is_object());
        table.row([text(listener, "name"), address, port, chains.to_string()]);
    }
    table
}

fn routes(resources: &[&Value]) -> Table {
    let mut table = Table::new(["ROUTE CONFIGURATION", "VIRTUAL HOSTS", "OTHERS BY VHDS"]);
    for route in resources {
        let hosts: Vec<String> =
            items(&route["virtual_hosts"]).iter().map(|host| text(host, "name")).collect();
        let vhds = if route["vhds"].is_object() { "yes" } else { "no" };
        table.row([text(route, "name"), hosts.join(", "), vhds.to_owned()]);
    }
    table
}

fn virtual_hosts(resources: &[&Value]) -> Table {
    let mut table = Table::new(["VIRTUAL HOST", "DOMAINS", "MATCH", "TO"]);
    for host in resources {
        let domains = items(&host["domains"]);
        let first = domains.first().map(scalar).unwrap_or_default();
        let domains = match domains.len() {
            0 | 1 => first,
            n => format!("{first} and {} more", n - 1),
        };
        let (mut name, mut domains) = (text(host, "name"), domains);
        for route in items(&host["routes"]) {
            table.row([
                std::mem::take(&mut name),
                std::mem::take(&mut domains),
                matches(&route["match"]),
                action(route),
            ]);
        }
    }
    table
}

fn matches(condition: &Value) -> String {
    let path = ["prefix", "path", "path_separated_prefix"].iter().find_map(|kind| {
        let text = text(condition, kind);
        (!text.is_empty()).then(|| if *kind == "path" { text } else { format!("{text}*") })
    });
    let path = path.unwrap_or_else(|| match condition["safe_regex"].is_object() {
        true => format!("~{}", text(&condition["safe_regex"], "regex")),
        false => String::new(),
    });
    let headers = items(&condition["headers"]).iter().map(|header| text(header, "name"));
    std::iter::once(path).chain(headers).collect::<Vec<_>>().join(" + ")
}

fn action(route: &Value) -> String {
    let weighted = items(&route["route"]["weighted_clusters"]["clusters"]);
    if !weighted.is_empty() {
        let clusters = weighted
            .iter()
            .map(|cluster| format!("{} {}", scalar(&cluster["weight"]), text(cluster, "name")));
        return clusters.collect::<Vec<_>>().join(", ");
    }
    match (&route["route"], &route["redirect"], &route["direct_response"]) {
        (Value::Object(_), _, _) => text(&route["route"], "cluster"),
        (_, Value::Object(_), _) => "redirect".to_owned(),
        (_, _, response @ Value::Object(_)) => format!("answer {}", scalar(&response["status"])),
        _ => String::new(),
    }
}

fn endpoints(resources: &[&Value]) -> Table {
    let mut table = Table::new(["CLUSTER", "ENDPOINT", "HEALTH", "WEIGHT"]);
    for assignment in resources {
        for locality in items(&assignment["endpoints"]) {
            for endpoint in items(&locality["lb_endpoints"]) {
                let (address, port) = address(&endpoint["endpoint"]["address"]);
                let health = match text(endpoint, "health_status") {
                    text if text.is_empty() => "HEALTHY".to_owned(),
                    text => text,
                };
                let weight = match scalar(&endpoint["load_balancing_weight"]) {
                    text if text.is_empty() => "1".to_owned(),
                    text => text,
                };
                let address = if port.is_empty() { address } else { format!("{address}:{port}") };
                table.row([text(assignment, "cluster_name"), address, health, weight]);
            }
        }
    }
    table
}

fn names(kind: &str, resources: &[&Value]) -> Table {
    let mut table = Table::new([kind]);
    for resource in resources {
        table.row([text(resource, "name")]);
    }
    table
}

/// An address, or the path of a Unix domain socket, and the port of what has one.
fn address(value: &Value) -> (String, String) {
    match value["pipe"]["path"].as_str() {
        Some(path) => (format!("unix://{path}"), String::new()),
        None => {
            let socket = &value["socket_address"];
            (text(socket, "address"), scalar(&socket["port_value"]))
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_what_matters() {
        let dump = json!({
            "vhds": [{"name": "x", "version": "1", "config": {
                "name": "http_proxy/catalog.shop.svc.cluster.local:80",
                "domains": ["catalog", "catalog.shop"],
                "routes": [
                    {"match": {"prefix": "/admin", "headers": [{"name": "x-user"}]}, "direct_response": {"status": 403}},
                    {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [
                        {"name": "outbound|80|v1|catalog", "weight": 90}, {"name": "outbound|80|v2|catalog", "weight": 10}]}}},
                ],
            }}],
            "eds": [{"config": {"cluster_name": "outbound|80|v1|catalog", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": "127.64.0.1", "port_value": 8080}}}},
                {"endpoint": {"address": {"pipe": {"path": "/run/app.sock"}}}}]}]}}],
            "lds": [{"config": {
                "name": "unix://@mesh", "address": {"pipe": {"path": "@mesh"}}, "filter_chains": [{}], "default_filter_chain": {},
            }}],
        });
        let text = short(dump.as_object().unwrap());
        let text = console::strip_ansi_codes(&text).into_owned();
        for line in [
            "http_proxy/catalog.shop.svc.cluster.local:80   catalog and 1 more   /admin* + x-user   answer 403",
            "/*                 90 outbound|80|v1|catalog, 10 outbound|80|v2|catalog",
            "outbound|80|v1|catalog   127.64.0.1:8080        HEALTHY   1",
            "outbound|80|v1|catalog   unix:///run/app.sock   HEALTHY   1",
            "unix://@mesh   unix://@mesh          2",
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line} is not in:\n{text}");
        }
        assert!(is_part("vhds", ConfigPart::Routes) && !is_part("cds", ConfigPart::Routes));
    }
}
