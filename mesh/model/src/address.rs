//! Addresses of services and endpoints.

use crate::Str;
use serde::{Serialize, Serializer};
use std::{fmt, net::IpAddr};

/// A network prefix, host bits cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    /// The first address.
    pub address: IpAddr,
    /// Length of the prefix in bits.
    pub length: u8,
}

impl Cidr {
    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let behind = u32::from(self.length).min(32);
                (first.to_bits() ^ address.to_bits()).checked_shr(32 - behind).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let behind = u32::from(self.length).min(128);
                (first.to_bits() ^ address.to_bits()).checked_shr(128 - behind).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An address at which clients reach a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Vip {
    /// One address.
    Ip(IpAddr),
    /// A range (ServiceEntry `addresses: [10.0.0.0/8]`).
    Range(Cidr),
}

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum EndpointAddress {
    /// An IP address.
    Ip(IpAddr),
    /// A name for Envoy to resolve (resolution DNS).
    Name(Str),
    /// A Unix domain socket's path; `@` begins an abstract one.
    Unix(Str),
    /// Known to nobody but the gateway of its network.
    BehindGateway,
}
