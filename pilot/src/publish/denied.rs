//! Rules that name a credential which clients of theirs may not have.
//!
//! In: proxies, and what they have proven. Out: problems by rule. What is wrong with the Secret itself is told by ingest.

use super::{
    credentials::Clearance,
    state::{State, Subscriber},
};
use mesh_model::{DestinationRule, Kind, NamespacedName, ObjectRef, Problem, Reason, Str};
use std::collections::{BTreeMap, BTreeSet};

/// Why somebody has not got it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// Nobody knows who it is: its stream is not authenticated.
    Unproven,
    /// Its service account may not read Secrets.
    MayNotRead(Str),
}

/// Problems of rules whose clients are denied what these name.
pub fn denied(state: &State) -> Vec<(ObjectRef, Problem)> {
    let mut clients: BTreeMap<&Str, Vec<&Subscriber>> =
        state.mesh.secrets().map(|(name, _)| (&name.namespace, Vec::new())).collect();
    if clients.is_empty() {
        return Vec::new();
    }
    for client in state.proxies.values() {
        if let Some(of_namespace) = clients.get_mut(&client.proxy.namespace) {
            of_namespace.push(client);
        }
    }
    let mut found: BTreeSet<(&ObjectRef, Why)> = BTreeSet::new();
    for (name, credential) in state.mesh.secrets() {
        for rule in credential.named_by.iter().filter_map(|object| state.mesh.destination_rule(&object.name))
        {
            let wants_key = wants_key(rule, name);
            let of_namespace = clients.get(&name.namespace).into_iter().flatten();
            for client in of_namespace.filter(|client| selects(rule, client)) {
                let why = match (state.clearance(client.proven.as_ref()), &client.proven) {
                    (Clearance::Keys, _) => continue,
                    (Clearance::Authorities, _) if !wants_key => continue,
                    (Clearance::Authorities, Some(account)) => {
                        Why::MayNotRead(account.service_account.clone())
                    }
                    (Clearance::Authorities | Clearance::None, _) => Why::Unproven,
                };
                found.insert((&rule.metadata.object, why));
            }
        }
    }
    found.into_iter().map(|(object, why)| (object.clone(), told(&why, object))).collect()
}

fn selects(rule: &DestinationRule, client: &Subscriber) -> bool {
    rule.selector.iter().flatten().all(|(key, value)| client.proxy.labels.get(key) == Some(value))
}

fn wants_key(rule: &DestinationRule, secret: &NamespacedName) -> bool {
    let mut named = rule.given_tls().filter_map(|given| given.credential(&secret.namespace));
    named.any(|(object, halves)| object.kind == Kind::Secret && object.name == *secret && halves.certificate)
}

/// The same words however many there are: what is said is remembered for a while.
fn told(why: &Why, object: &ObjectRef) -> Problem {
    let namespace = &object.name.namespace;
    let (message, hint) = match why {
        Why::Unproven => (
            "proxies that are connected without TLS are handed no Secret, so their connections fail"
                .to_owned(),
            "let them connect to the port with TLS, by which they prove who they are".to_owned(),
        ),
        Why::MayNotRead(account) => (
            format!("service account {account} may not list Secrets, so the connections of its proxies fail"),
            format!(
                "let it: `kubectl create role secret-reader -n {namespace} --verb=list --resource=secrets` and \
                 `kubectl create rolebinding secret-reader -n {namespace} --role=secret-reader --serviceaccount={namespace}:{account}`"
            ),
        ),
    };
    Problem::error(Reason::Unusable, "spec", message).hint(hint)
}
