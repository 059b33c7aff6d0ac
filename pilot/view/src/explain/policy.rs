//! What a cluster's policy comes to, in words.
//!
//! In: the cluster. Out: a line for each block of it that says something: how requests are spread, how many there may be, and when an endpoint is left
//! out.

use crate::spec::{ClusterDiscovery, ClusterSpec};
use mesh_model::{
    ConnectionPool, ConsistentHash, Duration, HashKey, HashRing, HttpPool, LoadBalancing, OutlierDetection,
    Percent, SimpleLb, TcpPool, UpgradePolicy,
};

/// What Envoy has where nothing is said.
const USUAL_ERRORS: u32 = 5;
const USUAL_EJECTION: Duration = Duration::from_secs(30);

const TO_THE_ADDRESS: &str = "none: to the address that the client connects to";

/// The lines; none for clusters that are no service's.
pub fn lines(spec: &ClusterSpec) -> Vec<String> {
    if spec.service.is_none() {
        return Vec::new();
    }
    let mut lines = vec![format!("load balancing: {}", balancing(spec))];
    if let Some(warmup) = &spec.warmup {
        lines.push(format!("warm-up: a new endpoint has its full share after {}", warmup.duration));
    }
    let limits = connection_pool(&spec.connection_pool);
    if !limits.is_empty() {
        lines.push(format!("connection pool: {}", limits.join(", ")));
    }
    lines.extend(
        spec.outlier_detection.as_ref().map(|block| format!("outlier detection: {}", outliers(block))),
    );
    lines
}

fn balancing(spec: &ClusterSpec) -> String {
    // Where a cluster finds its endpoints as requests come, nobody chooses among them.
    match spec.discovery {
        ClusterDiscovery::OriginalDst { port: None, .. } => return TO_THE_ADDRESS.to_owned(),
        ClusterDiscovery::OriginalDst { port: Some(port), .. } => {
            return format!("{TO_THE_ADDRESS}, on port {port}");
        }
        ClusterDiscovery::Dynamic(_) => {
            return "none: to the name that is asked for, which the proxy looks up".to_owned();
        }
        ClusterDiscovery::Nowhere => return "none: nobody knows where this leads, so it fails".to_owned(),
        ClusterDiscovery::Eds
        | ClusterDiscovery::StrictDns { .. }
        | ClusterDiscovery::LogicalDns { .. }
        | ClusterDiscovery::Static { .. } => {}
    }
    match &spec.load_balancing {
        LoadBalancing::Simple(SimpleLb::LeastRequest) => {
            "to that of two endpoints which has fewer requests".to_owned()
        }
        LoadBalancing::Simple(SimpleLb::Random) => "at random".to_owned(),
        LoadBalancing::Simple(SimpleLb::RoundRobin) => "in turns".to_owned(),
        LoadBalancing::Simple(SimpleLb::Passthrough) => TO_THE_ADDRESS.to_owned(),
        LoadBalancing::ConsistentHash(ConsistentHash { key, ring }) => {
            let key = match key {
                HashKey::Header(name) => format!("the header {name}"),
                HashKey::Cookie { name, path: _, ttl: None, attributes: _ } => format!("the cookie {name}"),
                HashKey::Cookie { name, path: _, ttl: Some(ttl), attributes: _ } => {
                    format!("the cookie {name}, which the proxy gives for {ttl} to clients that have none")
                }
                HashKey::SourceIp => "the client's address".to_owned(),
                HashKey::QueryParameter(name) => format!("the query parameter {name}"),
            };
            let ring = match ring {
                HashRing::Ring { minimum_size } => format!("on a ring of at least {minimum_size} places"),
                HashRing::Maglev { table_size: Some(size) } => format!("by a Maglev table of {size}"),
                HashRing::Maglev { table_size: None } => "by a Maglev table".to_owned(),
            };
            format!("by a hash of {key}, {ring}")
        }
    }
}

fn connection_pool(pool: &ConnectionPool) -> Vec<String> {
    let ConnectionPool { tcp, http } = pool;
    let TcpPool { max_connections, connect_timeout, keepalive, max_connection_duration, idle_timeout } = tcp;
    let HttpPool {
        max_pending_requests,
        max_requests,
        max_requests_per_connection,
        max_retries,
        idle_timeout: http_idle_timeout,
        h2_upgrade,
        use_client_protocol,
        max_concurrent_streams,
        http2_keepalive,
    } = http;
    let mut said = Vec::new();
    let mut say = |text: Option<String>| said.extend(text);
    say(max_connections.as_ref().map(|most| format!("at most {most} connections")));
    say(connect_timeout.as_ref().map(|time| format!("{time} to connect")));
    say(keepalive.as_ref().map(|_| "TCP keepalive".to_owned()));
    say(max_connection_duration.as_ref().map(|time| format!("connections end after {time}")));
    say(idle_timeout.as_ref().map(|time| format!("TCP connections end after {time} without bytes")));
    say(max_pending_requests.as_ref().map(|most| format!("at most {most} requests wait for a connection")));
    say(max_requests.as_ref().map(|most| format!("at most {most} requests at once")));
    say(max_requests_per_connection
        .filter(|most| *most > 0)
        .map(|most| format!("connections end after {most} requests")));
    say(max_retries.as_ref().map(|most| format!("at most {most} retries at once")));
    say(http_idle_timeout.as_ref().map(|time| format!("connections end after {time} without requests")));
    say(max_concurrent_streams
        .as_ref()
        .map(|most| format!("at most {most} requests on an HTTP/2 connection")));
    say(http2_keepalive.as_ref().map(|keepalive| format!("a ping every {}", keepalive.interval)));
    say((*h2_upgrade == UpgradePolicy::Upgrade).then(|| "HTTP/1.1 goes on as HTTP/2".to_owned()));
    say(use_client_protocol.then(|| "what the client speaks is spoken".to_owned()));
    said
}

fn outliers(block: &OutlierDetection) -> String {
    let OutlierDetection {
        consecutive_5xx,
        consecutive_gateway,
        consecutive_local_origin,
        split_local_origin,
        interval: _,
        base_ejection_time,
        max_ejection,
        min_health,
        error_codes,
    } = block;
    let errors = match error_codes.as_slice() {
        [] => "errors (5xx)".to_owned(),
        codes => {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            format!("errors ({})", codes.join(", "))
        }
    };
    let counted = |count: Option<u32>, what: &str| {
        count.filter(|count| *count > 0).map(|count| format!("{count} {what}"))
    };
    let reasons: Vec<String> = [
        counted(Some(consecutive_5xx.unwrap_or(USUAL_ERRORS)), &errors),
        counted(*consecutive_gateway, "gateway errors (502, 503, 504)"),
        counted(consecutive_local_origin.filter(|_| *split_local_origin), "failed connections"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if reasons.is_empty() {
        return "nothing ejects an endpoint".to_owned();
    }
    let time = base_ejection_time.unwrap_or(USUAL_EJECTION);
    let percent = |percent: &Option<Percent>, usual: &str| {
        percent.as_ref().map_or_else(|| usual.to_owned(), Percent::to_string)
    };
    let mut line = format!(
        "after {} in a row an endpoint is left out for {time}, or longer each time, but never more than {} of all",
        reasons.join(" or "),
        percent(max_ejection, "10%"),
    );
    if let Some(min_health) = min_health {
        line.push_str(&format!("; when less than {} of all are well, all are used", min_health));
    }
    line
}
