//! What is wrong with a set of resources as one proxy would hold them.
//!
//! In: encoded resources. Out: [`Finding`]s: what an Envoy would reject, and references that lead nowhere. For goldens and
//! tests, and for whoever wants to know before publishing; it decodes everything, so it is not for the path of a push.

mod listeners;
mod references;
mod routes;

use crate::envoy::tls::Secret;
use crate::envoy::{cluster, endpoint, listener, route};
use bytes::Bytes;
use mesh_proto::istio::networking::nds::v1::NameTable;
use mesh_proto::validate::{Violation, validate};
use pilot_xds::resource::ResourceType;
use prost::{DecodeError, Message};
use std::{collections::BTreeSet, fmt};

/// One thing that is wrong with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The resource's type.
    pub kind: ResourceType,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The bytes are no message of that type.
    Undecodable(DecodeError),
    /// The types that occur in it are not known, so that its rules could not be checked.
    Unchecked(String),
    /// It breaks a rule of Envoy's API.
    Violation(Violation),
    /// The name that it was published under is not the one it has.
    Misnamed {
        /// The name in the message.
        message: String,
    },
    /// Another resource of that type has the same name.
    DuplicateName,
    /// Two virtual hosts of one route configuration claim the same domain.
    DuplicateDomain {
        /// The domain.
        domain: String,
        /// The other virtual host.
        other: String,
    },
    /// Two filter chains take the same connections.
    DuplicateChainMatch {
        /// The chain.
        chain: String,
        /// The other chain.
        other: String,
    },
    /// It names a cluster that is not there.
    NoCluster(String),
    /// It is an EDS cluster without endpoints of this name.
    NoEndpoints(String),
    /// It names a route configuration that is not there, or belongs to none.
    NoRouteConfiguration(String),
}

impl Problem {
    /// Whether Envoy would reject the resource. The rest it accepts, and answers requests with an error.
    pub fn is_rejected(&self) -> bool {
        match self {
            Problem::Undecodable(_)
            | Problem::Violation(_)
            | Problem::DuplicateName
            | Problem::DuplicateDomain { .. }
            | Problem::DuplicateChainMatch { .. } => true,
            Problem::Unchecked(_)
            | Problem::Misnamed { .. }
            | Problem::NoCluster(_)
            | Problem::NoEndpoints(_)
            | Problem::NoRouteConfiguration(_) => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, problem } = self;
        write!(f, "{} {name}: {problem}", kind.label())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Undecodable(error) => write!(f, "cannot be decoded: {error}"),
            Problem::Unchecked(reason) => write!(f, "cannot be checked: {reason}"),
            Problem::Violation(violation) => violation.fmt(f),
            Problem::Misnamed { message } => write!(f, "calls itself {message}"),
            Problem::DuplicateName => f.write_str("is there twice"),
            Problem::DuplicateDomain { domain, other } => write!(f, "domain {domain} is also {other}'s"),
            Problem::DuplicateChainMatch { chain, other } => {
                write!(f, "filter chains {other} and {chain} take the same connections")
            }
            Problem::NoCluster(cluster) => write!(f, "cluster {cluster} is not there"),
            Problem::NoEndpoints(cluster) => write!(f, "endpoints of {cluster} are not there"),
            Problem::NoRouteConfiguration(name) => write!(f, "route configuration {name} is not there"),
        }
    }
}

/// A resource to check: its type, the name that it is published under, and the encoded message.
pub type Published<'a> = (ResourceType, &'a str, Bytes);

/// Everything that is wrong with `resources`, as one proxy holds them.
pub fn check<'a>(resources: impl IntoIterator<Item = Published<'a>>) -> Vec<Finding> {
    let mut found = Findings::default();
    let mut held = Held::default();
    for (kind, name, bytes) in resources {
        found.check_rules(kind, name, &bytes);
        if let Err(error) = held.decode(kind, name, bytes) {
            found.add(kind, name, Problem::Undecodable(error));
        }
    }
    found.check_names(&held);
    listeners::check(&held, &mut found);
    routes::check(&held, &mut found);
    references::check(&held, &mut found);
    found.0
}

/// What a proxy holds, decoded: the published name, and the message.
#[derive(Default)]
struct Held<'a> {
    clusters: Vec<(&'a str, cluster::Cluster)>,
    endpoints: Vec<(&'a str, endpoint::ClusterLoadAssignment)>,
    listeners: Vec<(&'a str, listener::Listener)>,
    /// With the slot that they came in: over VHDS or inline.
    routes: Vec<(ResourceType, &'a str, route::RouteConfiguration)>,
    virtual_hosts: Vec<(&'a str, route::VirtualHost)>,
}

impl<'a> Held<'a> {
    fn decode(&mut self, kind: ResourceType, name: &'a str, bytes: Bytes) -> Result<(), DecodeError> {
        match kind {
            ResourceType::Cluster => self.clusters.push((name, Message::decode(bytes)?)),
            ResourceType::Endpoints => self.endpoints.push((name, Message::decode(bytes)?)),
            ResourceType::Listener => self.listeners.push((name, Message::decode(bytes)?)),
            ResourceType::Route | ResourceType::InlineRoute => {
                self.routes.push((kind, name, Message::decode(bytes)?));
            }
            ResourceType::VirtualHost => self.virtual_hosts.push((name, Message::decode(bytes)?)),
            // Nothing in them refers to anything.
            ResourceType::NameTable => drop(NameTable::decode(bytes)?),
            ResourceType::Secret => drop(Secret::decode(bytes)?),
        }
        Ok(())
    }

    /// Every resource: its type, its published name, and the name in the message.
    fn names(&self) -> impl Iterator<Item = (ResourceType, &'a str, &str)> {
        let Self { clusters, endpoints, listeners, routes, virtual_hosts } = self;
        let clusters = clusters.iter().map(|(name, held)| (ResourceType::Cluster, *name, &*held.name));
        let endpoints = endpoints.iter();
        let endpoints = endpoints.map(|(name, held)| (ResourceType::Endpoints, *name, &*held.cluster_name));
        let listeners = listeners.iter().map(|(name, held)| (ResourceType::Listener, *name, &*held.name));
        let routes = routes.iter().map(|(kind, name, held)| (*kind, *name, &*held.name));
        let hosts = virtual_hosts.iter().map(|(name, held)| (ResourceType::VirtualHost, *name, &*held.name));
        clusters.chain(endpoints).chain(listeners).chain(routes).chain(hosts)
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, kind: ResourceType, name: &str, problem: Problem) {
        self.0.push(Finding { kind, name: name.to_owned(), problem });
    }

    fn check_rules(&mut self, kind: ResourceType, name: &str, bytes: &Bytes) {
        match validate(kind.type_url(), bytes) {
            Ok(violations) => {
                let problems = violations.into_iter().map(Problem::Violation);
                problems.for_each(|problem| self.add(kind, name, problem));
            }
            Err(error) => self.add(kind, name, Problem::Unchecked(error.to_string())),
        }
    }

    fn check_names(&mut self, held: &Held<'_>) {
        let mut seen = BTreeSet::new();
        for (kind, published, message) in held.names() {
            if published != message {
                self.add(kind, published, Problem::Misnamed { message: message.to_owned() });
            }
            // Two slots that share a type URL share a name space.
            if !seen.insert((kind.type_url(), published)) {
                self.add(kind, published, Problem::DuplicateName);
            }
        }
    }
}
