//! DestinationRules that have plaintext spoken, or mTLS, where a PeerAuthentication has only the other taken.

use super::{Found, scope::Scope};
use mesh_model::{
    ClientTls, DestinationRule, Endpoint, Labels, MtlsMode, Problem, Reason, Service, TrafficPolicy,
};

/// Looks at what a rule says of each port of its host. Rules for many hosts speak of none in particular.
pub(super) fn check_spoken(scope: &Scope<'_>, rule: &DestinationRule, found: &mut Found) {
    if rule.host.is_wildcard() {
        return;
    }
    let namespace = rule.metadata.namespace();
    for service in scope.meant(&rule.host, namespace) {
        let whole = (None, "spec.trafficPolicy", &Labels::new());
        let subsets = rule.subsets.iter();
        let subsets = subsets.filter(|subset| says_tls(&subset.policy));
        let subsets = subsets.map(|subset| (Some(&subset.policy), "spec.subsets", &subset.labels));
        for (over, path, labels) in std::iter::once(whole).chain(subsets) {
            for port in &service.ports {
                let wrong = rule.policy.for_port(over, port.number).tls;
                let wrong = wrong.and_then(|tls| disagrees(scope, service, port.number, labels, &tls));
                let Some(problem) = wrong else { continue };
                let of_port = rule.policy.ports.get(&port.number).is_some_and(|port| port.tls.is_some());
                let path = match (over, of_port) {
                    (Some(_), _) => path.to_owned(),
                    (None, true) => format!("{path}.portLevelSettings"),
                    (None, false) => format!("{path}.tls"),
                };
                found.add(&rule.metadata.object, Problem { path, ..problem });
            }
        }
    }
}

fn says_tls(policy: &TrafficPolicy) -> bool {
    policy.tls.is_some() || policy.ports.values().any(|port| port.tls.is_some())
}

/// The first endpoint of a port, among those with these labels, that does not take what is spoken with it.
fn disagrees(
    scope: &Scope<'_>,
    service: &Service,
    port: u16,
    labels: &Labels,
    tls: &ClientTls,
) -> Option<Problem> {
    let endpoints = scope.endpoints(service)?;
    let has = |endpoint: &&Endpoint| endpoint.has_labels(labels, &scope.config().cluster);
    endpoints.on_port(port).iter().filter(has).find_map(|endpoint| {
        let modes = scope.peer_modes(&endpoint.namespace, &endpoint.labels);
        let mode = modes.on_port(endpoint.port);
        let by = modes.said_by(endpoint.port)?;
        let (spoken, taken, instead) = match (tls, mode) {
            // Without a sidecar, which the label tells of, nobody keeps to it.
            (ClientTls::Disable, MtlsMode::Strict) if endpoint.mtls => ("plaintext", "mTLS alone", "ISTIO_MUTUAL"),
            (ClientTls::Mesh { .. }, MtlsMode::Disable) => ("mTLS", "plaintext alone", "DISABLE"),
            _ => return None,
        };
        let message = format!(
            "{spoken} is spoken with port {port} of {}, and its workloads, such as {}, take {taken} there ({by}): requests fail",
            service.host, endpoint.workload
        );
        let hint = format!("leave `tls` out, so that each is spoken to as it takes it, or write `mode: {instead}`");
        Some(Problem::error(Reason::Conflict, "", message).hint(hint))
    })
}
