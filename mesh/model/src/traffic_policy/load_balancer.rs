//! `loadBalancer`: who gets the next request.

use crate::{Duration, LocalityLb, Percent, Str};
use serde::Serialize;

/// `loadBalancer`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LoadBalancer {
    /// The algorithm.
    pub algorithm: LoadBalancing,
    /// `warmup`; `None`: a new endpoint has its full share at once.
    pub warmup: Option<Warmup>,
    /// `localityLbSetting` or `zoneAwareLbSetting`; `None`: the service's or the mesh's.
    pub locality: Option<LocalityLb>,
}

/// `loadBalancer.warmup`: the share of a new endpoint grows slowly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Warmup {
    /// Until the share is full.
    pub duration: Duration,
    /// Share at the start, at least 1%.
    pub minimum: Percent,
    /// Shape of the growth in thousandths, at least 1: 1000 is linear, more is slower at first.
    pub aggression: u32,
}

/// Which endpoint gets a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum LoadBalancing {
    /// `simple`.
    Simple(SimpleLb),
    /// `consistentHash`.
    ConsistentHash(ConsistentHash),
}

impl Default for LoadBalancing {
    fn default() -> Self {
        LoadBalancing::Simple(SimpleLb::LeastRequest)
    }
}

/// `loadBalancer.simple`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum SimpleLb {
    LeastRequest,
    Random,
    RoundRobin,
    /// To the address that the client asked for.
    Passthrough,
}

/// `loadBalancer.consistentHash`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ConsistentHash {
    /// What is hashed.
    pub key: HashKey,
    /// Over what.
    pub ring: HashRing,
}

/// What a consistent hash is computed of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum HashKey {
    Header(Str),
    /// A cookie, made by the proxy when `ttl` is set and the client has none.
    Cookie {
        name: Str,
        path: Str,
        ttl: Option<Duration>,
        /// Further attributes of a cookie that is made, with their values.
        attributes: Vec<(Str, Str)>,
    },
    SourceIp,
    QueryParameter(Str),
}

/// The structure behind a consistent hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum HashRing {
    /// Envoy's ring hash with at least `minimum_size` entries (default 1024).
    Ring {
        /// `ringHash.minimumRingSize`.
        minimum_size: u64,
    },
    /// Envoy's Maglev with a table of this size (a prime; default 65537).
    Maglev {
        /// `maglev.tableSize`.
        table_size: Option<u64>,
    },
}
