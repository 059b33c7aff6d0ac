//! `trafficPolicy` of a DestinationRule or a subset.

mod connection_pool;
mod load_balancer;
mod locality;
mod outlier_detection;
mod tls;

pub use connection_pool::{parse_connection_pool, parse_keepalive};
pub use locality::parse_locality_lb;
pub use outlier_detection::parse_outlier_detection;
pub use tls::{SYSTEM, parse_file, parse_names, parse_tls};

use crate::{
    at::At,
    values::{parse_dns_name, parse_duration, parse_percent, parse_port},
};
use mesh_api::networking::traffic_policy as api;
use mesh_model::{Percent, PortPolicy, ProxyProtocol, Reason, RetryBudget, TrafficPolicy, Tunnel};
use std::{collections::BTreeMap, net::IpAddr};

/// `retryBudget.percent` when nothing is said: 20.
const DEFAULT_RETRY_PERCENT: Percent = Percent::whole(20);
/// `retryBudget.minRetryConcurrency` when nothing, or zero, is said.
const DEFAULT_RETRY_MINIMUM: u32 = 3;

/// Reads a whole policy. `selects`: it is for selected clients of the rule's own namespace alone.
pub fn parse_traffic_policy(policy: api::TrafficPolicy, selects: bool, at: &At<'_>) -> TrafficPolicy {
    if policy == api::TrafficPolicy::default() {
        at.warning_hint(
            Reason::Required,
            "the policy says nothing; Istio refuses this",
            "set a field of it, such as `connectionPool`, or leave it out",
        );
    }
    let api::TrafficPolicy {
        load_balancer,
        connection_pool,
        outlier_detection,
        tls,
        port_level_settings,
        tunnel,
        proxy_protocol,
        retry_budget,
    } = policy;
    if tunnel.is_some() && proxy_protocol.is_some() {
        at.field("proxyProtocol").warning_hint(
            Reason::Conflict,
            "both this and `tunnel` are set; Istio refuses that",
            "leave one of the two out",
        );
    }
    let at_ports = at.field("portLevelSettings");
    let mut ports = BTreeMap::new();
    for (index, settings) in port_level_settings.into_iter().enumerate() {
        let at = at_ports.index(index);
        let Some((port, policy)) = parse_port_policy(settings, selects, &at) else { continue };
        if ports.insert(port, policy).is_some() {
            at.warning_hint(
                Reason::Duplicate,
                format!("port {port} is set twice; the last one counts"),
                "merge the two entries",
            );
        }
    }
    TrafficPolicy {
        load_balancer: load_balancer
            .and_then(|block| load_balancer::parse_load_balancer(block, &at.field("loadBalancer"))),
        connection_pool: connection_pool
            .map(|block| connection_pool::parse_connection_pool(block, &at.field("connectionPool"))),
        outlier_detection: outlier_detection
            .map(|block| outlier_detection::parse_outlier_detection(block, &at.field("outlierDetection"))),
        proxy_protocol: proxy_protocol.map(parse_proxy_protocol),
        retry_budget: retry_budget.map(|block| parse_retry_budget(block, &at.field("retryBudget"))),
        tls: tls.map(|block| parse_tls(block, selects, &at.field("tls"))),
        tunnel: tunnel.and_then(|block| parse_tunnel(block, &at.field("tunnel"))),
        ports,
    }
}

fn parse_tunnel(block: api::TunnelSettings, at: &At<'_>) -> Option<Tunnel> {
    let api::TunnelSettings { protocol, target_host, target_port } = block;
    let post = match protocol.as_deref() {
        None | Some("" | "CONNECT") => false,
        Some("POST") => true,
        Some(other) => {
            at.field("protocol").error_hint(
                Reason::InvalidValue,
                format!("`{other}` is no way to tunnel"),
                "write CONNECT or POST",
            );
            return None;
        }
    };
    let host = match target_host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => parse_dns_name(&target_host, &at.field("targetHost"))?.to_string(),
    };
    let port = parse_port(target_port, &at.field("targetPort"))?;
    Some(Tunnel { target: format!("{host}:{port}").into(), post })
}

fn parse_port_policy(
    policy: api::PortTrafficPolicy,
    selects: bool,
    at: &At<'_>,
) -> Option<(u16, PortPolicy)> {
    let api::PortTrafficPolicy { port, load_balancer, connection_pool, outlier_detection, tls } = policy;
    let at_number = at.field("port");
    let at_number = at_number.field("number");
    let Some(number) = port.and_then(|port| port.number) else {
        at_number.error_hint(Reason::Required, "which port is this about?", "write `port: {number: ..}`");
        return None;
    };
    if load_balancer.is_none() && connection_pool.is_none() && outlier_detection.is_none() && tls.is_none() {
        at.warning_hint(
            Reason::Required,
            "nothing is said of this port; Istio refuses this",
            "set one of loadBalancer, connectionPool, outlierDetection, tls, or leave the entry out",
        );
    }
    let policy = PortPolicy {
        load_balancer: load_balancer
            .and_then(|block| load_balancer::parse_load_balancer(block, &at.field("loadBalancer"))),
        connection_pool: connection_pool
            .map(|block| connection_pool::parse_connection_pool(block, &at.field("connectionPool"))),
        outlier_detection: outlier_detection
            .map(|block| outlier_detection::parse_outlier_detection(block, &at.field("outlierDetection"))),
        tls: tls.map(|block| parse_tls(block, selects, &at.field("tls"))),
    };
    Some((parse_port(number, &at_number)?, policy))
}

fn parse_proxy_protocol(block: api::ProxyProtocol) -> ProxyProtocol {
    let api::ProxyProtocol { version } = block;
    match version {
        None | Some(api::ProxyProtocolVersion::V1) => ProxyProtocol::V1,
        Some(api::ProxyProtocolVersion::V2) => ProxyProtocol::V2,
    }
}

fn parse_retry_budget(block: api::RetryBudget, at: &At<'_>) -> RetryBudget {
    let api::RetryBudget { percent, min_retry_concurrency, budget_interval } = block;
    RetryBudget {
        percent: percent
            .and_then(|percent| parse_percent(percent, &at.field("percent")))
            .unwrap_or(DEFAULT_RETRY_PERCENT),
        minimum: min_retry_concurrency.filter(|minimum| *minimum > 0).unwrap_or(DEFAULT_RETRY_MINIMUM),
        interval: budget_interval
            .and_then(|interval| parse_duration(interval, &at.field("budgetInterval")))
            .filter(|interval| !interval.is_zero()),
    }
}
