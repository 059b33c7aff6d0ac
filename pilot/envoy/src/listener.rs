//! Listeners. In: a [`ListenerSpec`]. Out: `envoy.config.listener.v3.Listener`.

mod chain;
mod connections;
mod http;
mod inspectors;
mod tcp_proxy;

use crate::access_log::build_listener_access_log;
use crate::address::{ip_and_port, unix_socket};
use crate::envoy::listener::listener::ConnectionBalanceConfig;
use crate::envoy::listener::listener::connection_balance_config::{BalanceType, ExactBalance};
use crate::envoy::{core, listener};
use crate::value::{boolean, uint32};
use pilot_view::spec::{Direction, ListenerAddress, ListenerSpec};
use std::net::IpAddr;

/// The listener that the spec describes.
pub fn build_listener(spec: &ListenerSpec) -> listener::Listener {
    let ListenerSpec {
        name,
        address,
        bind_to_port,
        use_original_dst,
        transparent,
        exact_balance,
        direction,
        inspectors,
        chains,
        default_chain,
        access_log,
        buffer_limit,
        origins: _, // Not part of the message.
    } = spec;
    let (address, additional_addresses) = match address {
        ListenerAddress::Port { address, additional, port } => {
            let additional = additional.iter().map(|address| additional_address(*address, *port));
            (ip_and_port(*address, *port), additional.collect())
        }
        ListenerAddress::Unix(path) => (unix_socket(path), Vec::new()),
    };
    let mut listener = listener::Listener {
        name: name.to_string(),
        address: Some(address),
        additional_addresses,
        // Both are true or absent in Istio's form, and absent means the usual thing.
        bind_to_port: if *bind_to_port { None } else { boolean(false) },
        use_original_dst: if *use_original_dst { boolean(true) } else { None },
        transparent: if *transparent { boolean(true) } else { None },
        connection_balance_config: exact_balance.then(exactly),
        traffic_direction: traffic_direction(*direction) as i32,
        filter_chains: chains.iter().map(chain::build_chain).collect(),
        default_filter_chain: default_chain.as_ref().map(chain::build_chain),
        access_log: build_listener_access_log(access_log.as_deref()),
        per_connection_buffer_limit_bytes: buffer_limit.and_then(uint32),
        ..Default::default()
    };
    inspectors::apply_inspectors(inspectors, &mut listener);
    listener
}

/// Each thread of Envoy has as many connections as any other, and each new one takes a lock.
fn exactly() -> ConnectionBalanceConfig {
    ConnectionBalanceConfig { balance_type: Some(BalanceType::ExactBalance(ExactBalance {})) }
}

fn additional_address(address: IpAddr, port: u16) -> listener::AdditionalAddress {
    listener::AdditionalAddress { address: Some(ip_and_port(address, port)), ..Default::default() }
}

fn traffic_direction(direction: Direction) -> core::TrafficDirection {
    match direction {
        Direction::Inbound => core::TrafficDirection::Inbound,
        Direction::Outbound => core::TrafficDirection::Outbound,
    }
}
