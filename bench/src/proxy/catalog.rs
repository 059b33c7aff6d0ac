//! Every name and version that was ever seen, once for the whole fleet.
//!
//! In: names, versions and, the first time that a version is seen, content. Out: small numbers for names, hashes for versions,
//! and what a resource refers to, which is all that a proxy needs to know of it. Only this file decodes Envoy's messages.

use std::collections::{HashMap, hash_map::Entry};
use std::rc::Rc;

use anyhow::{Context as _, Result};
use mesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, DiscoveryType},
};
use mesh_proto::envoy::config::listener::v3::{Listener, filter::ConfigType};
use mesh_proto::envoy::config::route::v3::RouteConfiguration;
use mesh_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, http_connection_manager::RouteSpecifier,
};
use pilot_xds::wire::Any;
use prost::{Message, Name};
use xxhash_rust::xxh3::xxh3_64;

/// A type of resource, in the order in which Envoy subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Envoy's own")]
pub enum Kind {
    Cluster,
    Endpoints,
    Listener,
    Route,
    VirtualHost,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Cluster, Self::Endpoints, Self::Listener, Self::Route, Self::VirtualHost];

    /// Its type URL.
    pub const fn url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoints => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Self::VirtualHost => "type.googleapis.com/envoy.config.route.v3.VirtualHost",
        }
    }

    /// Whether a subscription is to everything and not to names.
    pub const fn wildcard(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener | Self::VirtualHost)
    }

    /// Position in arrays over [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The number of a name among those of its kind.
pub type NameId = u32;

/// The hash of a version; never 0.
pub type Version = u64;

/// What a resource makes its proxy ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refers {
    /// Endpoints or route configurations, by number.
    pub names: Box<[NameId]>,
    /// Whether its virtual hosts come separately.
    pub virtual_hosts: bool,
}

/// All names and versions.
#[derive(Debug, Default)]
pub struct Catalog {
    kinds: [Names; Kind::ALL.len()],
    versions: HashMap<Version, Box<str>>,
    refers: [HashMap<(NameId, Version), Rc<Refers>>; Kind::ALL.len()],
}

#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<u64, NameId>,
    names: Vec<Box<str>>,
}

impl Catalog {
    /// The number of a name.
    pub fn name(&mut self, kind: Kind, name: &[u8]) -> Result<NameId> {
        let Names { numbers, names } = &mut self.kinds[kind.index()];
        let hash = xxh3_64(name);
        if let Some(number) = numbers.get(&hash) {
            return Ok(*number);
        }
        let number = NameId::try_from(names.len())?;
        names.push(std::str::from_utf8(name).context("a name is not UTF-8")?.into());
        numbers.insert(hash, number);
        Ok(number)
    }

    /// The name of a number.
    pub fn text(&self, kind: Kind, name: NameId) -> &str {
        &self.kinds[kind.index()].names[name as usize]
    }

    /// The numbers of the names that contain `part`.
    pub fn containing<'a>(&'a self, kind: Kind, part: &'a str) -> impl Iterator<Item = NameId> + 'a {
        let names = self.kinds[kind.index()].names.iter();
        (0..).zip(names).filter(move |(_, name)| name.contains(part)).map(|(number, _)| number)
    }

    /// The hash of a version.
    pub fn version(&mut self, version: &[u8]) -> Result<Version> {
        let hash = xxh3_64(version).max(1);
        if let Entry::Vacant(entry) = self.versions.entry(hash) {
            entry.insert(std::str::from_utf8(version).context("a version is not UTF-8")?.into());
        }
        Ok(hash)
    }

    /// The version of a hash.
    pub fn version_text(&self, version: Version) -> &str {
        self.versions.get(&version).map_or("", |text| text)
    }

    /// Whether the content of this resource has to be [learned](Self::learn).
    pub fn is_new(&mut self, kind: Kind, name: &[u8], version: &[u8]) -> bool {
        if !matches!(kind, Kind::Cluster | Kind::Listener | Kind::Route) {
            return false;
        }
        let known = self.name(kind, name).and_then(|name| Ok((name, self.version(version)?)));
        known.is_ok_and(|key| !self.refers[kind.index()].contains_key(&key))
    }

    /// Notes what a resource refers to. `content` is an encoded `Any`.
    pub fn learn(&mut self, kind: Kind, name: NameId, version: Version, content: &[u8]) -> Result<()> {
        let Any { type_url: _, value } = Any::decode(content).context("a resource is no Any")?;
        let mut refers = Refers::default();
        match kind {
            Kind::Cluster => refers.names = self.endpoints_of(&Cluster::decode(value)?)?,
            Kind::Listener => refers.names = self.routes_of(&Listener::decode(value)?)?,
            Kind::Route => refers.virtual_hosts = RouteConfiguration::decode(value)?.vhds.is_some(),
            Kind::Endpoints | Kind::VirtualHost => {}
        }
        self.refers[kind.index()].insert((name, version), Rc::new(refers));
        Ok(())
    }

    /// What a resource that was learned refers to.
    pub fn refers(&self, kind: Kind, name: NameId, version: Version) -> Option<Rc<Refers>> {
        self.refers[kind.index()].get(&(name, version)).cloned()
    }

    fn endpoints_of(&mut self, cluster: &Cluster) -> Result<Box<[NameId]>> {
        let is_eds = matches!(cluster.cluster_discovery_type, Some(ClusterDiscoveryType::Type(kind)) if kind == i32::from(DiscoveryType::Eds));
        if !is_eds {
            return Ok(Box::default());
        }
        let alias = cluster.eds_cluster_config.as_ref().map(|eds| eds.service_name.as_str());
        let name = alias.filter(|alias| !alias.is_empty()).unwrap_or(&cluster.name);
        Ok([self.name(Kind::Endpoints, name.as_bytes())?].into())
    }

    fn routes_of(&mut self, listener: &Listener) -> Result<Box<[NameId]>> {
        let mut routes = Vec::new();
        let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
        for filter in chains.flat_map(|chain| &chain.filters) {
            let Some(ConfigType::TypedConfig(any)) = &filter.config_type else { continue };
            if any.type_url != HttpConnectionManager::type_url() {
                continue;
            }
            if let Some(RouteSpecifier::Rds(rds)) =
                HttpConnectionManager::decode(any.value.clone())?.route_specifier
            {
                routes.push(self.name(Kind::Route, rds.route_config_name.as_bytes())?);
            }
        }
        routes.sort_unstable();
        routes.dedup();
        Ok(routes.into())
    }
}
