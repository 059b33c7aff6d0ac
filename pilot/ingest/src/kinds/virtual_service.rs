//! VirtualService.

mod action;
mod claim;
mod condition;
mod connection;
mod cors;
mod destination;
mod fault;
mod headers;
mod mirror;
mod parts;
mod reach;
mod reach_connections;
mod retries;
mod route;

pub use destination::parse_destination;
pub use parts::RouteParts;
pub use retries::parse_retries;

use super::Model;
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    values::{parse_export_to_clients, parse_host},
};
use mesh_api::networking::virtual_service as api;
use mesh_model::{Host, NamespacedName, Problem, Reason, Str, VirtualService};
use route::Role;
use serde_json::Value;
use std::sync::Arc;

/// A VirtualService as written, with what only others can complete.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualServiceDefinition {
    /// What it means by itself. Without hosts it means nothing by itself.
    pub value: Arc<VirtualService>,
    /// Its HTTP routes in parts, when it hands over or can be handed over to; otherwise empty.
    pub parts: Vec<RouteParts>,
}

impl VirtualServiceDefinition {
    /// Whether it is there for others to hand over to.
    pub fn is_delegate(&self) -> bool {
        self.value.hosts.is_empty()
    }

    /// Those that it hands over to.
    pub fn delegates(&self) -> impl Iterator<Item = &NamespacedName> {
        self.parts.iter().filter_map(|part| part.delegate.as_ref())
    }
}

/// Reads one object. A route that cannot be used is left out; the others stay.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let api::VirtualServiceSpec { hosts, gateways, http, tls, tcp, export_to } = decode_spec(value, at)?;
    let at = at.field("spec");
    let role = if hosts.is_empty() { Role::Delegate } else { Role::Root };
    if role == Role::Delegate {
        for (name, set) in
            [("gateways", !gateways.is_empty()), ("tls", !tls.is_empty()), ("tcp", !tcp.is_empty())]
        {
            if set {
                at.field(name).error_hint(
                    Reason::Conflict,
                    "without hosts only `http` has an effect, in the VirtualServices that hand over to this one",
                    "name the hosts whose requests are routed",
                );
            }
        }
    }
    let gateways = parse_gateways(&gateways, &at.field("gateways"));
    let hosts = parse_hosts(&hosts, &gateways, &at.field("hosts"));
    if http.is_empty() && tls.is_empty() && tcp.is_empty() {
        at.field("http").error_hint(
            Reason::Required,
            "there are no routes",
            "write at least one route under http, tls or tcp",
        );
        return None;
    }
    let (tls, tcp) = match role {
        Role::Delegate => (Vec::new(), Vec::new()),
        Role::Root => (
            connection::parse_tls(tls, &hosts, &at.field("tls")),
            connection::parse_tcp(tcp, &at.field("tcp")),
        ),
    };
    let mut parts = parse_http(http, role, &at.field("http"));
    if (hosts.is_empty() && role == Role::Root) || (parts.is_empty() && tls.is_empty() && tcp.is_empty()) {
        return None;
    }
    let http = match role {
        Role::Root if parts.iter().all(|part| part.delegate.is_none()) => {
            std::mem::take(&mut parts).into_iter().filter_map(RouteParts::finish).collect()
        }
        // Not before all parts are together.
        Role::Root | Role::Delegate => Vec::new(),
    };
    let export_to = parse_export_to_clients(&export_to, &at.field("exportTo"));
    let value = VirtualService {
        metadata: meta.metadata,
        hosts,
        gateways,
        export_to,
        http,
        tls,
        tcp,
        delegates: Vec::new(),
    };
    Some(Model::VirtualService(Arc::new(VirtualServiceDefinition { value: Arc::new(value), parts })))
}

fn parse_http(http: Vec<api::HttpRoute>, role: Role, at_http: &At<'_>) -> Vec<RouteParts> {
    let mut routes = Vec::with_capacity(http.len());
    let mut catch_all: Option<usize> = None;
    for (index, route) in http.into_iter().enumerate() {
        let at = at_http.index(index);
        if let Some(first) = catch_all {
            at.warning_hint(
                Reason::Unreachable,
                format!("http[{first}] takes every request, so none gets here"),
                format!("move http[{first}] to the end, or let its `match` take less"),
            );
        }
        let Some(route) = route::parse_route(route, index, role, &at) else { continue };
        let takes_everything = match role {
            // Another VirtualService may take less than what it is handed.
            Role::Root => route.delegate.is_none() && parts::take_everything(&route.matches),
            // Any match may be wider than those of the root, and then takes nothing.
            Role::Delegate => route.matches.is_empty(),
        };
        if catch_all.is_none() && takes_everything {
            catch_all = Some(index);
        }
        routes.push(route);
    }
    if role == Role::Delegate {
        // Which of its routes are left depends on who hands over.
        return routes;
    }
    // What a catch-all takes has been said.
    let end = routes.iter().position(|route| catch_all.is_some_and(|first| route.index > first));
    reach::check_reach(routes.get(..end.unwrap_or(routes.len())).unwrap_or_default(), at_http);
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
            "" => at.error_hint(
                Reason::Required,
                "the gateway has no name",
                "write `mesh` for the sidecars, or leave the entry out",
            ),
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
            at.warning_hint(Reason::Duplicate, format!("`{host}` is named twice"), "leave one of them out");
            continue;
        }
        if let Some((one, other)) = parsed.iter().find_map(|other| {
            let covers = [(&host, other), (other, &host)].into_iter().find(|(wide, _)| wide.is_wildcard());
            covers.filter(|(wide, narrow)| wide.covers(narrow))
        }) {
            at.info_hint(
                Reason::Duplicate,
                format!("`{one}` covers `{other}`; Istio refuses to have both"),
                format!("leave `{other}` out"),
            );
        }
        parsed.push(host);
    }
    parsed
}
