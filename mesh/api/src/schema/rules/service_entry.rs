//! Rules on a ServiceEntry.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Rule, has, items, text};

pub(super) const ALL: [Rule; 6] = [
    NOT_ANY_HOST,
    PORT_NUMBERS_UNIQUE,
    ENDPOINTS_OR_SELECTOR,
    CIDR_RESOLUTION,
    NONE_WITHOUT_ENDPOINTS,
    ROUND_ROBIN_ONE_ENDPOINT,
];

/// A host is more than a wildcard.
pub const NOT_ANY_HOST: Rule = Rule {
    cel: "self != \"*\"",
    message: "hostname cannot be wildcard",
    expected: "a host; a wildcard needs a domain, such as *.example.com",
    holds: |value| value != "*",
};

/// No two ports have one number.
pub const PORT_NUMBERS_UNIQUE: Rule = Rule {
    cel: "self.all(l1, self.exists_one(l2, l1.number == l2.number))",
    message: "port number cannot be duplicated",
    expected: "ports with different numbers",
    holds: |value| {
        let mut seen = BTreeSet::new();
        let mut numbers =
            value.as_array().into_iter().flatten().filter_map(|port| port.get("number")?.as_u64());
        numbers.all(|number| seen.insert(number))
    },
};

/// Endpoints are listed or selected.
pub const ENDPOINTS_OR_SELECTOR: Rule = Rule {
    cel: "(has(self.workloadSelector) ? 1 : 0) + (has(self.endpoints) ? 1 : 0) <= 1",
    message: "only one of WorkloadSelector or Endpoints can be set",
    expected: "at most one of workloadSelector and endpoints",
    holds: |value| !(has(value, "workloadSelector") && has(value, "endpoints")),
};

/// A range is only matched, never resolved.
pub const CIDR_RESOLUTION: Rule = Rule {
    cel: "!((has(self.addresses) ? self.addresses : []).exists(k, k.contains(\"/\")) && \
          !((has(self.resolution) ? self.resolution : \"NONE\") in [\"STATIC\", \"NONE\"]))",
    message: "CIDR addresses are allowed only for NONE/STATIC resolution types",
    expected: "addresses without CIDR ranges, or resolution NONE or STATIC",
    holds: |value| {
        let is_range = |address: &Value| address.as_str().is_some_and(|text| text.contains('/'));
        !items(value, "addresses").iter().any(is_range) || matches!(resolution(value), "STATIC" | "NONE")
    },
};

/// With resolution NONE the client chooses the address.
pub const NONE_WITHOUT_ENDPOINTS: Rule = Rule {
    cel: "((has(self.resolution) ? self.resolution : \"NONE\") == \"NONE\") ? !has(self.endpoints) : true",
    message: "NONE mode cannot set endpoints",
    expected: "resolution STATIC or DNS with endpoints; without a resolution it is NONE, which takes none",
    holds: |value| resolution(value) != "NONE" || !has(value, "endpoints"),
};

/// With resolution DNS_ROUND_ROBIN there is one name to resolve.
pub const ROUND_ROBIN_ONE_ENDPOINT: Rule = Rule {
    cel: "((has(self.resolution) ? self.resolution : \"\") == \"DNS_ROUND_ROBIN\") ? \
          ((has(self.endpoints) ? self.endpoints : []).size() <= 1) : true",
    message: "DNS_ROUND_ROBIN mode cannot have multiple endpoints",
    expected: "at most one endpoint with resolution DNS_ROUND_ROBIN",
    holds: |value| resolution(value) != "DNS_ROUND_ROBIN" || items(value, "endpoints").len() <= 1,
};

fn resolution(value: &Value) -> &str {
    if has(value, "resolution") { text(value, "resolution") } else { "NONE" }
}
