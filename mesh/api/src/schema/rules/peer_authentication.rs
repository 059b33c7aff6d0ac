//! Rules on PeerAuthentication.

use super::{Rule, has, keys};
use serde_json::Value;

pub(super) const ALL: [Rule; 2] = [PORTS_OF_WORKLOADS, PORT_NUMBERS];

/// Ports are those of workloads that are named.
pub const PORTS_OF_WORKLOADS: Rule = Rule {
    cel: "has(self.portLevelMtls) ? (((has(self.selector) && has(self.selector.matchLabels)) ? self.selector.matchLabels : {}).size() > 0) : true",
    message: "portLevelMtls requires selector",
    expected: "a selector with labels beside portLevelMtls",
    holds: |value| {
        let labels = value.get("selector").and_then(|selector| selector.get("matchLabels"));
        !has(value, "portLevelMtls")
            || labels.and_then(Value::as_object).is_some_and(|labels| !labels.is_empty())
    },
};

/// Keys are port numbers.
pub const PORT_NUMBERS: Rule = Rule {
    cel: "self.all(key, 0 < int(key) && int(key) <= 65535)",
    message: "port must be between 1-65535",
    expected: "keys that are numbers from 1 to 65535",
    holds: |value| keys(value).all(|key| key.parse::<i64>().is_ok_and(|port| 0 < port && port <= 65535)),
};
