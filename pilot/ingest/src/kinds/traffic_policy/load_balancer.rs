//! `loadBalancer`.

use super::parse_locality_lb;
use crate::{
    at::At,
    values::{parse_duration, parse_header_name, parse_percent, parse_positive_duration},
};
use mesh_api::{duration::Duration as ApiDuration, networking::traffic_policy::load_balancer as api};
use mesh_model::{
    ConsistentHash, HashKey, HashRing, LoadBalancer, LoadBalancing, Percent, Reason, SimpleLb, Str, Warmup,
};

/// Envoy's largest ring.
const MAX_RING: u64 = 8 * 1024 * 1024;
/// Envoy's largest Maglev table.
const MAX_TABLE: u64 = 5_000_011;
/// `warmup.minimumPercent` when nothing is said: 10, as Envoy's.
const DEFAULT_WARMUP_MINIMUM: Percent = Percent::whole(10);
/// `warmup.aggression` of 1.
const LINEAR: u32 = 1000;
/// Beyond this an endpoint gets nothing until its time is over.
const MAX_AGGRESSION: u32 = 1000;

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
    let locality = parse_locality_lb(locality_lb_setting, zone_aware_lb_setting, at);
    let algorithm = match (simple, consistent_hash) {
        (Some(_), Some(_)) => {
            at.error_hint(
                Reason::Conflict,
                "`simple` and `consistentHash` exclude each other",
                "leave one of the two out",
            );
            return None;
        }
        (None, None) => LoadBalancing::default(),
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
    let warmup = parse_warmup(warmup, warmup_duration_secs, &algorithm, at);
    Some(LoadBalancer { algorithm, warmup, locality })
}

/// `warmup`, or its older form, which has only the duration.
fn parse_warmup(
    warmup: Option<api::WarmupConfiguration>,
    older: Option<ApiDuration>,
    algorithm: &LoadBalancing,
    at: &At<'_>,
) -> Option<Warmup> {
    at.deprecated("warmupDurationSecs", older.is_some() && warmup.is_none(), "warmup: {duration: ..}");
    let name = if warmup.is_some() { "warmup" } else { "warmupDurationSecs" };
    if warmup.is_some() && older.is_some() {
        at.field("warmupDurationSecs").warning_hint(
            Reason::Unreachable,
            "`warmup` counts, and this does not",
            "leave `warmupDurationSecs` out",
        );
    }
    let at = at.field(name);
    let warmup = match (warmup, older) {
        (None, None) => return None,
        (None, Some(duration)) => Warmup {
            duration: parse_positive_duration(duration, &at)?,
            minimum: DEFAULT_WARMUP_MINIMUM,
            aggression: LINEAR,
        },
        (Some(api::WarmupConfiguration { duration, minimum_percent, aggression }), _) => Warmup {
            duration: parse_positive_duration(duration, &at.field("duration"))?,
            minimum: minimum_percent
                .and_then(|percent| parse_percent(percent, &at.field("minimumPercent")))
                .unwrap_or(DEFAULT_WARMUP_MINIMUM),
            aggression: aggression
                .and_then(|aggression| parse_aggression(aggression, &at.field("aggression")))
                .unwrap_or(LINEAR),
        },
    };
    if !matches!(algorithm, LoadBalancing::Simple(SimpleLb::LeastRequest | SimpleLb::RoundRobin)) {
        at.warning_hint(
            Reason::Unreachable,
            "this balancer knows no warm-up",
            "use LEAST_REQUEST or ROUND_ROBIN",
        );
        return None;
    }
    Some(warmup)
}

/// In thousandths.
fn parse_aggression(aggression: f64, at: &At<'_>) -> Option<u32> {
    if aggression > 0.0 && aggression <= f64::from(MAX_AGGRESSION) {
        // Within 0 and 1000 times the largest: it fits.
        return Some(((aggression * 1000.0).round() as u32).max(1));
    }
    at.error_hint(
        Reason::InvalidValue,
        format!("{aggression} is not more than 0 and at most {MAX_AGGRESSION}"),
        "1 is linear growth, more is slower at first",
    );
    None
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
    let is_older = minimum_ring_size.is_some() && ring_hash.is_none() && maglev.is_none();
    at.deprecated("minimumRingSize", is_older, "ringHash: {minimumRingSize: ..}");
    if minimum_ring_size.is_some() && (ring_hash.is_some() || maglev.is_some()) {
        at.field("minimumRingSize").warning_hint(
            Reason::Conflict,
            "`ringHash` or `maglev` counts, and this does not; Istio refuses both",
            "leave it out",
        );
    }
    let use_source_ip = use_source_ip.unwrap_or(false);
    let keys = [
        http_header_name.is_some(),
        http_cookie.is_some(),
        use_source_ip,
        http_query_parameter_name.is_some(),
    ];
    if keys.iter().filter(|set| **set).count() > 1 {
        at.error_hint(
            Reason::Conflict,
            "only one of the hash keys can be set",
            "leave all but one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName out",
        );
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
            at.error_hint(
                Reason::Conflict,
                "`ringHash` and `maglev` exclude each other",
                "leave one of the two out",
            );
            return None;
        }
        (None, Some(maglev)) => {
            let api::MagLev { table_size } = maglev;
            if table_size.is_none() {
                at.field("maglev").field("tableSize").info_hint(
                    Reason::Required,
                    "65537 is used; Istio refuses a table without a size",
                    "for Istio write tableSize: 65537",
                );
            }
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
            let size = size.or(minimum_ring_size.filter(|_| is_older)).unwrap_or(1024);
            if size > MAX_RING {
                at.error_hint(
                    Reason::InvalidValue,
                    format!("a ring of {size} entries is too large; at most {MAX_RING} are allowed"),
                    "write 1024 unless there are hundreds of endpoints",
                );
            }
            HashRing::Ring { minimum_size: size.min(MAX_RING) }
        }
    };
    Some(ConsistentHash { key, ring })
}

fn parse_cookie(cookie: api::HttpCookie, at: &At<'_>) -> Option<HashKey> {
    let api::HttpCookie { name, path, ttl, attributes } = cookie;
    if name.is_empty() {
        at.field("name").error_hint(
            Reason::Required,
            "the cookie has no name",
            "write one, as in `name: session`",
        );
        return None;
    }
    let ttl = ttl.and_then(|ttl| parse_duration(ttl, &at.field("ttl")));
    let attributes = parse_attributes(attributes, &at.field("attributes"));
    Some(HashKey::Cookie { name: name.into(), path: path.unwrap_or_default().into(), ttl, attributes })
}

fn parse_attributes(attributes: Vec<api::HttpCookieAttribute>, at: &At<'_>) -> Vec<(Str, Str)> {
    let mut parsed: Vec<(Str, Str)> = Vec::new();
    for (index, attribute) in attributes.into_iter().enumerate() {
        let api::HttpCookieAttribute { name, value } = attribute;
        let at = at.index(index);
        let value = value.unwrap_or_default();
        if name.is_empty() {
            at.field("name").error_hint(
                Reason::Required,
                "the attribute has no name",
                "write one such as SameSite, or leave the attribute out",
            );
        } else if [&name, &value].iter().any(|text| text.contains(|c: char| c == ';' || c.is_control())) {
            at.error_hint(
                Reason::InvalidValue,
                "an attribute of a cookie has no `;` and no control characters",
                "write each attribute as an entry of its own, as in `{name: SameSite, value: Strict}`",
            );
        } else if parsed.iter().any(|(known, _)| **known == *name) {
            at.field("name").error_hint(
                Reason::Duplicate,
                format!("`{name}` is set above"),
                "keep one of them",
            );
        } else {
            parsed.push((name.into(), value.into()));
        }
    }
    parsed
}

fn is_prime(number: u64) -> bool {
    number >= 2
        && (2..)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor| !number.is_multiple_of(divisor))
}
