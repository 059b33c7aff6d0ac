//! Host names and the namespaces that may see an object.

use crate::{at::At, names};
use mesh_model::{DefaultExport, ExportTo, Host, Reason, Str, resolve_short_name};
use std::collections::BTreeSet;

/// Why `label` is no DNS label.
fn label_fault(label: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.is_empty() {
        Some("it has an empty part between two dots")
    } else if label.len() > 63 {
        Some("a part between dots is longer than 63 characters")
    } else if !label.bytes().all(allowed) {
        Some("only letters, digits, `-`, `_` and `.` are allowed")
    } else if label.starts_with('-') || label.ends_with('-') {
        Some("a part between dots begins or ends with `-`")
    } else {
        None
    }
}

/// Why `text` is no DNS name.
fn name_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > 253 {
        Some("it is longer than 253 characters")
    } else {
        text.strip_suffix('.').unwrap_or(text).split('.').find_map(label_fault)
    }
}

/// A DNS name without wildcard, in lower case.
pub fn parse_dns_name(text: &str, at: &At<'_>) -> Option<Str> {
    match name_fault(text) {
        None => Some(text.to_ascii_lowercase().into()),
        Some(fault) => {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{text}` is not a host name: {fault}"),
                "write a name such as reviews or api.example.com",
            );
            None
        }
    }
}

/// A host: a DNS name, an IP address or a wildcard such as `*.example.com`. Short names are those of Services in the
/// object's own namespace.
pub fn parse_host(text: &str, at: &At<'_>) -> Option<Host> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Some(Host::new(text));
    }
    let fault = match text.strip_prefix('*') {
        Some("") => None,
        // `*.example.com`, and `*-x.example.com` as Envoy knows it.
        Some(rest) => name_fault(rest.strip_prefix(['.', '-']).unwrap_or(rest)),
        None => name_fault(text),
    };
    match fault {
        None => Some(resolve_short_name(text, at.namespace(), at.domain())),
        Some(_) if text.contains("://") => {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{text}` is a URL where a host name is expected"),
                "leave out the scheme and the path",
            );
            None
        }
        Some(_) if text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{text}` has a port where only a host name is expected"),
                "leave out the port; ports have fields of their own",
            );
            None
        }
        Some(fault) => {
            let message = format!("`{text}` is not a host name: {fault}");
            match text.contains('*') {
                true => at.error_hint(
                    Reason::InvalidValue,
                    message,
                    "a wildcard stands for the first part, as in *.example.com",
                ),
                false => at.error_hint(
                    Reason::InvalidValue,
                    message,
                    "write a name such as reviews or api.example.com",
                ),
            }
            None
        }
    }
}

/// The namespace that clients are in. What none can be called is nobody's.
pub fn parse_source_namespace(text: Option<String>, at: &At<'_>) -> Option<Str> {
    let text = text.filter(|text| !text.is_empty())?;
    if let Some(fault) = names::label_fault(&text) {
        at.warning_hint(
            Reason::Unreachable,
            format!("no namespace can be called `{text}`, so nobody is meant: {fault}"),
            "write the name of a namespace, as in `shop`",
        );
    }
    Some(text.into())
}

/// `exportTo`: who may see the object. An entry that cannot be read is left out; nothing is widened by that.
pub fn parse_export_to(entries: &[String], at: &At<'_>) -> ExportTo {
    if entries.is_empty() {
        return ExportTo::Default;
    }
    let mut namespaces = BTreeSet::new();
    let mut all = false;
    if let Some(index) = entries.iter().position(|entry| entry == "*").filter(|_| entries.len() > 1) {
        at.index(index).warning_hint(
            Reason::Conflict,
            "`*` means every namespace, so the other entries have no effect; Istio refuses this",
            "leave `*` out, or all others",
        );
    }
    for (index, entry) in entries.iter().enumerate() {
        let at = at.index(index);
        match entry.as_str() {
            "*" => all = true,
            "." => insert(at.namespace(), &mut namespaces, &at),
            "~" => {
                if entries.len() > 1 {
                    at.warning_hint(
                        Reason::Conflict,
                        "`~` means \"no namespace\" and has no effect beside other entries",
                        "leave it out, or all others",
                    );
                }
            }
            name if names::label_fault(name).is_none() => insert(name, &mut namespaces, &at),
            other => at.error_hint(
                Reason::InvalidValue,
                format!("`{other}` is not a namespace"),
                "write `.` (this namespace), `*` (all), `~` (none) or a namespace's name",
            ),
        }
    }
    if all { ExportTo::All } else { ExportTo::Namespaces(namespaces) }
}

/// The same for objects that say something to clients alone: seen by nobody, they say nothing.
pub fn parse_export_to_clients(entries: &[String], at: &At<'_>) -> ExportTo {
    if let [only] = entries
        && only == "~"
    {
        at.index(0).warning_hint(
            Reason::Unreachable,
            "no client sees this object, so it has no effect; Istio refuses this",
            "write `.` for this namespace, `*` for all, or leave `exportTo` out",
        );
    }
    parse_export_to(entries, at)
}

fn insert(name: &str, namespaces: &mut BTreeSet<Str>, at: &At<'_>) {
    if !namespaces.insert(name.into()) {
        at.warning_hint(
            Reason::Duplicate,
            format!("namespace {name} is named twice; Istio refuses this"),
            "leave one of the two out",
        );
    }
}

/// `defaultServiceExportTo` and its siblings: the same for objects of any namespace.
pub fn parse_default_export(entries: &[String], at: &At<'_>) -> DefaultExport {
    // Nothing listed is nothing said.
    if entries.is_empty() {
        return DefaultExport::default();
    }
    let own = entries.iter().any(|entry| entry == ".");
    let others: Vec<String> = entries.iter().filter(|entry| *entry != ".").cloned().collect();
    match parse_export_to(&others, at) {
        ExportTo::All => DefaultExport::default(),
        ExportTo::Default => DefaultExport { all: false, own, others: BTreeSet::new() },
        ExportTo::Namespaces(others) => DefaultExport { all: false, own, others },
    }
}
