//! What values of annotations may be.
//!
//! In: an annotation of a pod and its value. Out: what is to be written instead of one that Istio's injection refuses, so that the pod would not
//! come up in a cluster.

use crate::values::{read_range, read_switch};

/// What a value is.
#[derive(Debug, Clone, Copy)]
enum Form {
    Number,
    Port,
    Flag,
    Interception,
    /// Of them `*` may stand for all.
    Ports {
        all: bool,
    },
    Ranges {
        all: bool,
    },
}

const FORMS: &[(&str, Form)] = &[
    ("prometheus.istio.io/merge-metrics", Form::Flag),
    ("readiness.status.sidecar.istio.io/failureThreshold", Form::Number),
    ("readiness.status.sidecar.istio.io/initialDelaySeconds", Form::Number),
    ("readiness.status.sidecar.istio.io/periodSeconds", Form::Number),
    ("sidecar.istio.io/interceptionMode", Form::Interception),
    ("status.sidecar.istio.io/port", Form::Port),
    ("traffic.sidecar.istio.io/excludeInboundPorts", Form::Ports { all: false }),
    ("traffic.sidecar.istio.io/excludeOutboundIPRanges", Form::Ranges { all: false }),
    ("traffic.sidecar.istio.io/excludeOutboundPorts", Form::Ports { all: false }),
    ("traffic.sidecar.istio.io/includeInboundPorts", Form::Ports { all: true }),
    ("traffic.sidecar.istio.io/includeOutboundIPRanges", Form::Ranges { all: true }),
];

/// The hint for `value`; `None`: it is one that is taken.
pub(super) fn hint(key: &str, value: &str) -> Option<&'static str> {
    let (_, form) = FORMS.iter().find(|(known, _)| *known == key)?;
    let each = |all: bool, is: fn(&str) -> bool| {
        value.is_empty() || (all && value == "*") || value.split(',').all(is)
    };
    let (fits, hint) = match form {
        Form::Number => (value.parse::<u32>().is_ok(), "write a whole number, as in \"10\""),
        Form::Port => (value.parse::<u16>().is_ok(), "write the number of a port, as in \"15021\""),
        Form::Flag => (read_switch(value).is_some(), "write \"true\" or \"false\""),
        Form::Interception => {
            (matches!(value, "REDIRECT" | "TPROXY" | "NONE"), "write REDIRECT, TPROXY or NONE")
        }
        Form::Ports { all } => {
            (each(*all, is_port), "write numbers of ports with commas between them, as in \"80,443\"")
        }
        Form::Ranges { all } => (
            each(*all, is_range),
            "write ranges with commas between them, as in \"10.0.0.0/8,192.168.1.0/24\"",
        ),
    };
    (!fits).then_some(hint)
}

fn is_port(text: &str) -> bool {
    text.trim().parse::<u16>().is_ok()
}

/// Without spaces, unlike ports.
fn is_range(text: &str) -> bool {
    text.contains('/') && read_range(text).is_some()
}
