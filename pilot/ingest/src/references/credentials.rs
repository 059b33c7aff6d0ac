//! Credentials that a DestinationRule names, and that can't be used.

use super::{Found, scope::Scope};
use mesh_model::{ClientTls, DestinationRule, Halves, Kind, Problem, Reason, Str, TrafficPolicy};
use std::collections::BTreeSet;

/// What to do, where nothing is wrong with the name of a Secret.
const SECRET: &str = "`kubectl create secret generic <name> --from-file=tls.crt --from-file=tls.key --from-file=ca.crt` makes one, in the namespace of the rule";
/// And of a ConfigMap.
const CONFIG_MAP: &str =
    "`kubectl create configmap <name> --from-file=ca.crt` makes one, in the namespace of the rule";

/// Looks at all that a rule names. What nobody has looked for yet is not told.
pub(super) fn check_credentials(scope: &Scope<'_>, rule: &DestinationRule, found: &mut Found) {
    let mut told: BTreeSet<(&str, Str)> = BTreeSet::new();
    let whole = std::iter::once(("spec.trafficPolicy", &rule.policy));
    let subsets = rule.subsets.iter().map(|subset| ("spec.subsets", &subset.policy));
    for (path, tls) in whole.chain(subsets).flat_map(|(path, policy)| places(path, policy)) {
        let ClientTls::Given(given) = tls else { continue };
        let Some((object, Halves { certificate, authorities })) = given.credential(rule.metadata.namespace())
        else {
            continue;
        };
        let Some(credential) = scope.credential(&object) else { continue };
        let missing = credential.certificate.as_ref().err().filter(|_| certificate);
        let missing = missing.or(credential.authorities.as_ref().err().filter(|_| authorities));
        if let Some(why) = missing
            && told.insert((path, why.clone()))
        {
            let message = format!("{why}; nothing is sent to this host");
            let hint = if object.kind == Kind::ConfigMap { CONFIG_MAP } else { SECRET };
            let reason = if why.starts_with("there is no ") { Reason::NotFound } else { Reason::Unusable };
            found.add(&rule.metadata.object, Problem::error(reason, path, message).hint(hint));
        }
    }
}

/// The places of a policy that say how connections are secured.
fn places<'a>(
    path: &'static str,
    policy: &'a TrafficPolicy,
) -> impl Iterator<Item = (&'static str, &'a ClientTls)> {
    let (of_tls, of_ports) = match path {
        "spec.trafficPolicy" => {
            ("spec.trafficPolicy.tls.credentialName", "spec.trafficPolicy.portLevelSettings")
        }
        other => (other, other),
    };
    let ports = policy.ports.values().filter_map(move |port| Some((of_ports, port.tls.as_ref()?)));
    policy.tls.iter().map(move |tls| (of_tls, tls)).chain(ports)
}
