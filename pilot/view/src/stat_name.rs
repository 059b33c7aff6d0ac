//! `outboundClusterStatName` and `inboundClusterStatName`: what clusters are called in statistics.

use mesh_model::{Registry, Service, ServicePort, Str};

/// What the words of a pattern stand for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub service: &'a Service,
    pub port: &'a ServicePort,
    /// Empty: none.
    pub subset: &'a str,
}

/// The name by `pattern`; `None` when the mesh has no pattern.
pub fn stat_name(pattern: &str, subject: Subject<'_>) -> Option<Str> {
    if pattern.is_empty() {
        return None;
    }
    let Subject { service, port, subset } = subject;
    let name = &service.metadata.object.name;
    let of_kubernetes = service.registry == Registry::Kubernetes;
    let named = |short: String| if of_kubernetes { short } else { service.host.to_string() };
    let words = [
        ("%SERVICE%", named(format!("{}.{}", name.name, name.namespace))),
        ("%SERVICE_NAME%", named(name.name.to_string())),
        ("%SERVICE_FQDN%", service.host.to_string()),
        ("%SERVICE_PORT%", port.number.to_string()),
        ("%SERVICE_PORT_NAME%", port.name.to_string()),
        ("%TARGET_PORT%", port.target.unwrap_or(port.number).to_string()),
        ("%SUBSET_NAME%", subset.to_owned()),
    ];
    Some(words.iter().fold(pattern.to_owned(), |text, (word, value)| text.replace(word, value)).into())
}
