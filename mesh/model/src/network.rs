//! Networks: parts of the mesh whose workloads reach each other directly. From one to another leads a gateway.

use crate::{Cidr, Endpoint, EndpointAddress, MeshConfig, Str};
use serde::Serialize;
use std::net::IpAddr;

/// An entry of Istio's `meshNetworks`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Network {
    /// Its identifier.
    pub name: Str,
    /// `endpoints[].fromCidr`: addresses of what says nothing of its network.
    pub ranges: Vec<Cidr>,
    /// How it is reached from others; sorted, each once. Without one its endpoints are called directly.
    pub gateways: Vec<NetworkGateway>,
}

/// An entry of `gateways`: it takes mTLS, and passes it on to the service that the SNI names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct NetworkGateway {
    pub address: IpAddr,
    pub port: u16,
}

/// How an endpoint is reached by clients of some network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// At its own address.
    Direct,
    /// Through one of these, by mTLS alone.
    Gateways(&'a [NetworkGateway]),
    /// Not at all: it has no address, and no gateway leads there.
    Nowhere,
}

impl MeshConfig {
    /// The gateways of a network.
    pub fn gateways(&self, network: &str) -> &[NetworkGateway] {
        let found = self.networks.iter().find(|known| *known.name == *network);
        found.map_or(&[], |known| &known.gateways)
    }

    /// The network of something: what it says itself, or else where it is. `ours` is what runs in this cluster or is registered for it, and
    /// not somewhere outside the mesh.
    pub fn network_of(&self, said: &Str, address: Option<IpAddr>, ours: bool) -> Str {
        if !said.is_empty() {
            return said.clone();
        }
        if ours && !self.network.is_empty() {
            return self.network.clone();
        }
        let ranges = |network: &'_ Network| -> Option<u8> {
            let covers = network.ranges.iter().filter(|range| address.is_some_and(|at| range.contains(at)));
            covers.map(|range| range.length).max()
        };
        let known = self.networks.iter().filter_map(|network| Some((ranges(network)?, &network.name)));
        known.max().map(|(_, name)| name.clone()).unwrap_or_default()
    }

    /// How clients of `network` reach `endpoint`. As in Istio what says nothing of its network is taken to be near, and so is what no
    /// gateway leads to.
    pub fn way_to(&self, endpoint: &Endpoint, network: &str) -> Way<'_> {
        let has_address = endpoint.address != EndpointAddress::BehindGateway;
        let direct = if has_address { Way::Direct } else { Way::Nowhere };
        if endpoint.network.is_empty() || *endpoint.network == *network || (has_address && network.is_empty())
        {
            return direct;
        }
        match self.gateways(&endpoint.network) {
            [] => direct,
            gateways => Way::Gateways(gateways),
        }
    }
}
