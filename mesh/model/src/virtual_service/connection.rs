//! `tls` and `tcp`: where connections go that are not looked into.

use super::WeightedDestination;
use crate::{Cidr, Host, Labels, Str};
use serde::Serialize;

/// One entry of `tls` or `tcp`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ConnectionRoute {
    /// Its place among the entries, as written.
    #[serde(skip)]
    pub index: usize,
    /// Any of these. Empty, which only an entry of `tcp` can be: every connection.
    pub matches: Vec<ConnectionMatch>,
    /// To one of these, by weight. Never empty; nothing is done to headers.
    pub destinations: Vec<WeightedDestination>,
}

/// One entry of `match`: all of it has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ConnectionMatch {
    /// Its place among the matches of the entry, as written.
    #[serde(skip)]
    pub index: usize,
    /// `sniHosts`: any of these names; never empty in `tls`, always in `tcp`.
    pub sni_hosts: Vec<Host>,
    /// `destinationSubnets`: any of these ranges; empty: wherever the service is.
    pub subnets: Vec<Cidr>,
    /// `sourceSubnet`: clients with an address in it.
    pub source: Option<Cidr>,
    /// `port` that the client called.
    pub port: Option<u16>,
    /// `sourceLabels` of the client.
    pub source_labels: Labels,
    /// `sourceNamespace` of the client.
    pub source_namespace: Option<Str>,
    /// `gateways`; empty: those of the VirtualService.
    pub gateways: Vec<Str>,
}
