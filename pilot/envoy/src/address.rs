//! Addresses as Envoy's messages write them.

use crate::envoy::core;
use crate::value::uint32;
use mesh_model::{Cidr, EndpointAddress};
use std::net::IpAddr;

/// A TCP address.
pub(crate) fn socket_address(address: String, port: u16) -> core::SocketAddress {
    core::SocketAddress {
        address,
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port.into())),
        ..Default::default()
    }
}

/// The TCP address of an IP address and a port.
pub(crate) fn ip_and_port(address: IpAddr, port: u16) -> core::Address {
    tcp(address.to_string(), port)
}

/// A Unix domain socket, by its path.
pub(crate) fn unix_socket(path: &str) -> core::Address {
    let pipe = core::Pipe { path: path.to_owned(), ..Default::default() };
    core::Address { address: Some(core::address::Address::Pipe(pipe)) }
}

/// Where an endpoint listens.
pub(crate) fn endpoint_address(address: &EndpointAddress, port: u16) -> core::Address {
    match address {
        EndpointAddress::Ip(ip) => ip_and_port(*ip, port),
        EndpointAddress::Name(name) => tcp(name.to_string(), port),
        EndpointAddress::Unix(path) => unix_socket(path),
        // Never sent: it stands for what is reached through a gateway, or not at all.
        EndpointAddress::BehindGateway => core::Address::default(),
    }
}

/// A range of addresses.
pub(crate) fn cidr_range(cidr: &Cidr) -> core::CidrRange {
    let Cidr { address, length } = cidr;
    core::CidrRange { address_prefix: address.to_string(), prefix_len: uint32((*length).into()) }
}

fn tcp(address: String, port: u16) -> core::Address {
    let socket = socket_address(address, port);
    core::Address { address: Some(core::address::Address::SocketAddress(socket)) }
}
