//! What a case says: which workloads there are, what is sent, and what is expected.

use serde::Deserialize;
use std::collections::BTreeMap;

/// What is sent, and what is expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Script {
    /// `Case`.
    pub(super) kind: String,
    /// How many workloads of each version there are.
    #[serde(default = "one_of_each")]
    pub(super) replicas: BTreeMap<String, usize>,
    /// Workloads that answer everything with 503.
    #[serde(default)]
    pub(super) failing: Vec<String>,
    /// What is said about the case's objects, in part.
    #[serde(default)]
    pub(super) problems: Vec<String>,
    /// In order.
    pub(super) requests: Vec<Exchange>,
}

/// Requests that are alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Exchange {
    #[serde(default = "get")]
    pub(super) method: String,
    /// Path and query.
    #[serde(default = "root")]
    pub(super) path: String,
    /// With a port, if it is not 80. The case's own host if nothing else is said.
    pub(super) host: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Over HTTP/2.
    #[serde(default)]
    pub(super) http2: bool,
    /// A gRPC call of the method that the path says.
    #[serde(default)]
    pub(super) grpc: bool,
    #[serde(default = "once")]
    pub(super) times: usize,
    /// How many at a time.
    #[serde(default = "once")]
    pub(super) at_a_time: usize,
    #[serde(default)]
    pub(super) expect: Expect,
}

/// What is expected. Of what is not named nothing is expected.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Expect {
    /// The status of each answer.
    pub(super) status: Option<u16>,
    /// Number of answers with each status, from and to.
    pub(super) statuses: BTreeMap<u16, [usize; 2]>,
    /// The version that answers each.
    pub(super) version: Option<String>,
    /// Number of answers by each version, from and to.
    pub(super) versions: BTreeMap<String, [usize; 2]>,
    /// Number of answers by each pod that answers at all, from and to.
    pub(super) each_pod: Option<[usize; 2]>,
    /// Number of pods that answer.
    pub(super) pods: Option<usize>,
    /// The same, from and to.
    pub(super) pods_within: Option<[usize; 2]>,
    /// Headers of each answer; null: it must not be there.
    pub(super) headers: BTreeMap<String, Option<String>>,
    /// The body of each answer.
    pub(super) body: Option<String>,
    /// What each workload is spoken to in: `HTTP/1.1` or `HTTP/2`.
    pub(super) protocol: Option<String>,
    /// Headers that the workload sees; null: it must not be there.
    pub(super) seen_headers: BTreeMap<String, Option<String>>,
    /// Path and query that the workload sees.
    pub(super) seen_path: Option<String>,
    /// `Host` that the workload sees.
    pub(super) seen_host: Option<String>,
    /// How long each takes, in milliseconds, from and to.
    pub(super) millis: Option<[u64; 2]>,
    /// Number of requests that get to workloads, from and to.
    pub(super) attempts: Option<[u64; 2]>,
    /// The same of those of each version, copies of requests among them.
    pub(super) attempts_at: BTreeMap<String, [u64; 2]>,
    /// Number of connections that the sidecar makes to workloads of the case's own host, from and to.
    pub(super) connections: Option<[u64; 2]>,
}

fn one_of_each() -> BTreeMap<String, usize> {
    BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)])
}

fn get() -> String {
    "GET".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

fn once() -> usize {
    1
}
