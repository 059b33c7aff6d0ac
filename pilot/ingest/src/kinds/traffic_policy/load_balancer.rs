//! `loadBalancer`.

use crate::{
    at::At,
    values::{parse_duration, parse_header_name},
};
use mesh_api::networking::traffic_policy::load_balancer as api;
use mesh_model::{ConsistentHash, HashKey, HashRing, LoadBalancer, LoadBalancing, Reason, SimpleLb};

/// Envoy's largest ring.
const MAX_RING: u64 = 8 * 1024 * 1024;
/// Envoy's largest Maglev table.
const MAX_TABLE: u64 = 5_000_011;

/// Reads the block; `None` when its algorithm cannot be used, so that the default stays.
pub fn parse_load_balancer(block: api::LoadBalancerSettings, at: &At<'_>) -> Option<LoadBalancer> {
    let api::LoadBalancerSettings {
        simple,
        consistent_hash,
        locality_lb_setting,
        zone_aware_lb_setting,
        warmup_duration_secs,
        warmup,
    } = block;
    at.not_supported("localityLbSetting", locality_lb_setting.is_some());
    at.not_supported("zoneAwareLbSetting", zone_aware_lb_setting.is_some());
    at.not_supported("warmupDurationSecs", warmup_duration_secs.is_some());
    at.not_supported("warmup", warmup.is_some());
    let algorithm = match (simple, consistent_hash) {
        (Some(_), Some(_)) => {
            at.error(Reason::Conflict, "`simple` and `consistentHash` exclude each other");
            return None;
        }
        (None, None) => return None,
        (Some(simple), None) => LoadBalancing::Simple(match simple {
            api::SimpleLb::Unspecified | api::SimpleLb::LeastConn | api::SimpleLb::LeastRequest => {
                SimpleLb::LeastRequest
            }
            api::SimpleLb::Random => SimpleLb::Random,
            api::SimpleLb::RoundRobin => SimpleLb::RoundRobin,
            api::SimpleLb::Passthrough => SimpleLb::Passthrough,
        }),
        (None, Some(hash)) => {
            LoadBalancing::ConsistentHash(parse_consistent_hash(hash, &at.field("consistentHash"))?)
        }
    };
    Some(LoadBalancer { algorithm })
}

fn parse_consistent_hash(hash: api::ConsistentHashLb, at: &At<'_>) -> Option<ConsistentHash> {
    let api::ConsistentHashLb {
        http_header_name,
        http_cookie,
        use_source_ip,
        http_query_parameter_name,
        ring_hash,
        maglev,
        minimum_ring_size,
    } = hash;
    let use_source_ip = use_source_ip.unwrap_or(false);
    let keys = [
        http_header_name.is_some(),
        http_cookie.is_some(),
        use_source_ip,
        http_query_parameter_name.is_some(),
    ];
    if keys.iter().filter(|set| **set).count() > 1 {
        at.error(Reason::Conflict, "only one of the hash keys can be set");
        return None;
    }
    let key = if let Some(name) = http_header_name {
        HashKey::Header(parse_header_name(&name, &at.field("httpHeaderName"))?)
    } else if let Some(cookie) = http_cookie {
        parse_cookie(cookie, &at.field("httpCookie"))?
    } else if use_source_ip {
        HashKey::SourceIp
    } else if let Some(name) = http_query_parameter_name.filter(|name| !name.is_empty()) {
        HashKey::QueryParameter(name.into())
    } else {
        at.error_hint(
            Reason::Required,
            "there is no hash key",
            "set one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName",
        );
        return None;
    };
    let ring = match (ring_hash, maglev) {
        (Some(_), Some(_)) => {
            at.error(Reason::Conflict, "`ringHash` and `maglev` exclude each other");
            return None;
        }
        (None, Some(maglev)) => {
            let api::MagLev { table_size } = maglev;
            let table_size = table_size.filter(|size| {
                let usable = *size <= MAX_TABLE && is_prime(*size);
                if !usable {
                    at.field("maglev").field("tableSize").error_hint(
                        Reason::InvalidValue,
                        format!("{size} is not a prime up to {MAX_TABLE}"),
                        "the default is 65537",
                    );
                }
                usable
            });
            HashRing::Maglev { table_size }
        }
        (ring_hash, None) => {
            let api::RingHash { minimum_ring_size: size } = ring_hash.unwrap_or_default();
            let size = size.or(minimum_ring_size).unwrap_or(1024);
            if size > MAX_RING {
                at.error(
                    Reason::InvalidValue,
                    format!("a ring of {size} entries is too large; at most {MAX_RING} are allowed"),
                );
            }
            HashRing::Ring { minimum_size: size.min(MAX_RING) }
        }
    };
    Some(ConsistentHash { key, ring })
}

fn parse_cookie(cookie: api::HttpCookie, at: &At<'_>) -> Option<HashKey> {
    let api::HttpCookie { name, path, ttl, attributes } = cookie;
    at.not_supported("attributes", !attributes.is_empty());
    if name.is_empty() {
        at.field("name").error(Reason::Required, "the cookie has no name");
        return None;
    }
    let ttl = ttl.and_then(|ttl| parse_duration(ttl, &at.field("ttl")));
    Some(HashKey::Cookie { name: name.into(), path: path.unwrap_or_default().into(), ttl })
}

fn is_prime(number: u64) -> bool {
    number >= 2
        && (2..)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor| !number.is_multiple_of(divisor))
}
