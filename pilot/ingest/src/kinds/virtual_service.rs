//! VirtualService.

mod action;
mod condition;
mod connection;
mod cors;
mod destination;
mod fault;
mod headers;
mod mirror;
mod parts;
mod retries;
mod route;

pub use retries::parse_retries;

use super::Model;
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    values::{parse_export_to, parse_host},
};
use mesh_api::networking::virtual_service as api;
use mesh_model::{Host, HttpRoute, Problem, Reason, Str, VirtualService};
use serde_json::Value;
use std::sync::Arc;

/// Reads one object. A route that cannot be used is left out; the others stay.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let api::VirtualServiceSpec { hosts, gateways, http, tls, tcp, export_to } = decode_spec(value, at)?;
    let at = at.field("spec");
    let gateways = parse_gateways(&gateways, &at.field("gateways"));
    let hosts = parse_hosts(&hosts, &gateways, &at.field("hosts"));
    if http.is_empty() && tls.is_empty() && tcp.is_empty() {
        at.field("http").error(Reason::Required, "there are no routes");
        return None;
    }
    let tls = connection::parse_tls(tls, &hosts, &at.field("tls"));
    let tcp = connection::parse_tcp(tcp, &at.field("tcp"));
    let routes = parse_http(http, &at.field("http"));
    if hosts.is_empty() || (routes.is_empty() && tls.is_empty() && tcp.is_empty()) {
        return None;
    }
    let export_to = parse_export_to(&export_to, &at.field("exportTo"));
    Some(Model::VirtualService(Arc::new(VirtualService {
        metadata: meta.metadata,
        hosts,
        gateways,
        export_to,
        http: routes,
        tls,
        tcp,
    })))
}

fn parse_http(http: Vec<api::HttpRoute>, at_http: &At<'_>) -> Vec<HttpRoute> {
    let mut routes = Vec::with_capacity(http.len());
    let mut catch_all: Option<usize> = None;
    for (index, route) in http.into_iter().enumerate() {
        let at = at_http.index(index);
        if let Some(first) = catch_all {
            at.warning_hint(
                Reason::Unreachable,
                format!("http[{first}] takes every request, so none gets here"),
                "move the route without `match` to the end",
            );
        }
        let Some(parts) = route::parse_route(route, index, route::Role::Root, &at) else { continue };
        if parts.delegate.is_some() {
            at.field("delegate").error(
                Reason::NotSupported,
                "Meltemi does not read routes from other VirtualServices yet, so this route is left out",
            );
        }
        let Some(route) = parts.finish() else { continue };
        if catch_all.is_none() && parts::takes_everything(&route) {
            catch_all = Some(index);
        }
        routes.push(route);
    }
    routes
}

fn parse_gateways(gateways: &[String], at: &At<'_>) -> Vec<Str> {
    if gateways.is_empty() {
        return vec!["mesh".into()];
    }
    let mut parsed = Vec::with_capacity(gateways.len());
    for (index, name) in gateways.iter().enumerate() {
        let at = at.index(index);
        match name.as_str() {
            "mesh" => parsed.push("mesh".into()),
            "" => at.error(Reason::Required, "the gateway has no name"),
            name => {
                // Bound to nothing yet; said, because a route that nobody serves looks like a lost one.
                at.report(Problem::warning(
                    Reason::NotSupported,
                    at.path(),
                    format!("Meltemi has no gateways yet, so `{name}` serves none of these routes"),
                ));
                parsed.push(match name.contains('/') {
                    true => name.into(),
                    false => format!("{}/{name}", at.namespace()).into(),
                });
            }
        }
    }
    parsed
}

fn parse_hosts(hosts: &[String], gateways: &[Str], at: &At<'_>) -> Vec<Host> {
    if hosts.is_empty() {
        at.error_hint(Reason::Required, "there are no hosts", "name the hosts whose requests are routed");
    }
    let for_mesh = gateways.iter().any(|gateway| &**gateway == "mesh");
    let mut parsed: Vec<Host> = Vec::with_capacity(hosts.len());
    for (index, text) in hosts.iter().enumerate() {
        let at = at.index(index);
        if text == "*" && for_mesh {
            at.error_hint(
                Reason::InvalidValue,
                "`*` would take the requests of every service in the mesh",
                "name the hosts, or a wildcard such as *.example.com; `*` is for gateways",
            );
            continue;
        }
        let Some(host) = parse_host(text, &at) else { continue };
        if parsed.contains(&host) {
            at.warning(Reason::Duplicate, format!("`{host}` is named twice"));
            continue;
        }
        parsed.push(host);
    }
    parsed
}
