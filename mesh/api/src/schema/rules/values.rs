//! Rules on single values: durations, ports, labels, schemes.

use super::{Rule, keys};
use crate::duration::Duration;

pub(super) const ALL: [Rule; 6] =
    [DURATION, PORT, NO_WILDCARD_IN_LABEL, NO_WILDCARD_IN_KEY, KEY_NOT_EMPTY, SCHEME];

/// On most durations.
pub const DURATION: Rule = Rule {
    cel: "duration(self) >= duration('1ms')",
    message: "must be a valid duration greater than 1ms",
    expected: "a duration of at least 1ms",
    holds: |value| {
        value.as_str().is_none_or(|text| {
            text.parse::<Duration>().is_ok_and(|duration| duration >= Duration::from_millis(1))
        })
    },
};

/// On a port number that must exist on the wire.
pub const PORT: Rule = Rule {
    cel: "0 < self && self <= 65535",
    message: "port must be between 1-65535",
    expected: "a number from 1 to 65535",
    holds: |value| value.as_f64().is_none_or(|number| 0.0 < number && number <= 65535.0),
};

/// On the labels of a Sidecar's or ServiceEntry's selector.
pub const NO_WILDCARD_IN_LABEL: Rule = Rule {
    cel: "!self.contains(\"*\")",
    message: "wildcard is not supported in selector",
    expected: "a label without `*`",
    holds: |value| value.as_str().is_none_or(|text| !text.contains('*')),
};

/// The same on the labels of a policy's selector, where Istio words it otherwise.
pub const NO_WILDCARD_IN_POLICY_LABEL: Rule =
    Rule { message: "wildcard not allowed in label value match", ..NO_WILDCARD_IN_LABEL };

/// On the names of the labels of a policy's selector.
pub const NO_WILDCARD_IN_KEY: Rule = Rule {
    cel: "self.all(key, !key.contains(\"*\"))",
    message: "wildcard not allowed in label key match",
    expected: "labels whose names have no `*`",
    holds: |value| keys(value).all(|key| !key.contains('*')),
};

/// On the names of the labels of a policy's selector.
pub const KEY_NOT_EMPTY: Rule = Rule {
    cel: "self.all(key, key.size() != 0)",
    message: "key must not be empty",
    expected: "labels whose names are not empty",
    holds: |value| keys(value).all(|key| !key.is_empty()),
};

/// On the scheme of a health check.
pub const SCHEME: Rule = Rule {
    cel: "self in [\"\", \"HTTP\", \"HTTPS\"]",
    message: "scheme must be one of [HTTP, HTTPS]",
    expected: "HTTP or HTTPS",
    holds: |value| value.as_str().is_none_or(|text| matches!(text, "" | "HTTP" | "HTTPS")),
};

/// The names that headers of a health check may have.
pub const HEADER_NAME: &str = "^[-_A-Za-z0-9]+$";

/// Whether a text matches one of our patterns. There is only one, so there is no need for an engine.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    pattern != HEADER_NAME || (!text.is_empty() && text.bytes().all(allowed))
}
