//! Rules on endpoints: WorkloadEntry, the endpoints of a ServiceEntry, the template of a WorkloadGroup.

use super::{Rule, has, keys, text};

pub(super) const ALL: [Rule; 5] =
    [ADDRESS_REQUIRED, NO_PORTS_ON_UDS, UDS_ABSOLUTE, UDS_NO_FOLDER, PORT_NAMES];

const UDS: &str = "unix://";

/// An endpoint has an address, or is the gateway of its network.
pub const ADDRESS_REQUIRED: Rule = Rule {
    cel: "has(self.address) || has(self.network)",
    message: "Address is required",
    expected: "an address, or a network to use the gateway of",
    holds: |value| has(value, "address") || has(value, "network"),
};

/// A Unix domain socket has no ports.
pub const NO_PORTS_ON_UDS: Rule = Rule {
    cel: "(has(self.address) ? self.address : \"\").startsWith(\"unix://\") ? !has(self.ports) : true",
    message: "UDS may not include ports",
    expected: "no ports with a unix:// address",
    holds: |value| !text(value, "address").starts_with(UDS) || !has(value, "ports"),
};

/// A Unix domain socket is a path from the root or an abstract name.
pub const UDS_ABSOLUTE: Rule = Rule {
    cel: "self.startsWith(\"unix://\") ? (self.substring(7, 8) == \"/\" || self.substring(7, 8) == \"@\") : true",
    message: "UDS must be an absolute path or abstract socket",
    expected: "unix:///PATH or unix://@NAME",
    holds: |value| {
        let path = value.as_str().and_then(|text| text.strip_prefix(UDS));
        path.is_none_or(|path| path.starts_with(['/', '@']))
    },
};

/// A Unix domain socket is no folder.
pub const UDS_NO_FOLDER: Rule = Rule {
    cel: "self.startsWith(\"unix://\") ? !self.endsWith(\"/\") : true",
    message: "UDS may not be a dir",
    expected: "the path of a socket, which does not end in /",
    holds: |value| value.as_str().is_none_or(|text| !text.starts_with(UDS) || !text.ends_with('/')),
};

/// Ports are named as Kubernetes names them.
pub const PORT_NAMES: Rule = Rule {
    cel: "self.all(key, size(key) < 63 && key.matches(\"^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$\"))",
    message: "port name must be valid",
    expected: "port names of letters, digits and inner `-`, shorter than 63",
    holds: |value| keys(value).all(is_port_name),
};

fn is_port_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.is_empty()
        && name.len() < 63
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
