//! Clients are told apart only where a rule looks at it: scopes by what chooses among rules, places by what makes endpoints near.

use mesh_tests::{
    Asker,
    told::{self, Attached},
};
use pilot::Counts;
use pilot_ingest::{Context, Ingest, parse_file};
use pilot_xds::resource::Protocol;

/// Two clients of `default` in different zones, and one elsewhere.
const CLIENTS: [(&str, &str, &str); 3] =
    [("default", "near", "eu.a"), ("default", "far", "us.a"), ("other", "else", "us.a")];

/// How many scopes the clients are in, and how many places in all of these.
fn scopes(rule: &str) -> (usize, usize) {
    let mut yaml = String::from(
        "apiVersion: v1\n\
         kind: Service\n\
         metadata: {name: a, namespace: default}\n\
         spec: {clusterIP: 10.0.0.1, selector: {app: a}, ports: [{name: http, port: 80}]}\n",
    );
    for (index, (namespace, name, locality)) in CLIENTS.iter().enumerate() {
        yaml += &format!(
            "---\n\
             apiVersion: v1\n\
             kind: Pod\n\
             metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}, istio-locality: {locality}}}}}\n\
             status: {{podIP: 10.9.0.{index}, phase: Running, conditions: [{{type: Ready, status: 'True'}}]}}\n"
        );
    }
    if !rule.is_empty() {
        yaml += &format!(
            "---\n\
             apiVersion: networking.istio.io/v1\n\
             kind: DestinationRule\n\
             metadata: {{name: a, namespace: default}}\n\
             spec: {{host: a, {rule}}}\n"
        );
    }
    let mut ingest = Ingest::new(Context::default());
    ingest.apply(vec![parse_file(&"scopes.yaml".into(), yaml.as_bytes(), ingest.context())]);
    let publisher = told::publisher(ingest.mesh().clone());
    let attached: Vec<Attached> = CLIENTS
        .iter()
        .map(|(namespace, name, _)| {
            Attached::new(&publisher, &Asker::new(namespace, name), Protocol::Delta)
                .unwrap_or_else(|error| panic!("{namespace}/{name}: {error:#}"))
        })
        .collect();
    let Counts { scopes, places, .. } = publisher.counts();
    drop(attached);
    (scopes, places)
}

#[test]
fn nobody_looks_at_places() {
    assert_eq!(scopes(""), (2, 2));
    assert_eq!(scopes("trafficPolicy: {loadBalancer: {simple: RANDOM}}"), (2, 2));
    assert_eq!(scopes("trafficPolicy: {loadBalancer: {localityLbSetting: {enabled: false}}}"), (2, 2));
}

#[test]
fn somebody_looks_at_places() {
    assert_eq!(scopes("trafficPolicy: {outlierDetection: {}}"), (2, 3));
    assert_eq!(
        scopes(
            "trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: eu, to: {us: 100}}]}}}"
        ),
        (2, 3)
    );
}

#[test]
fn a_rule_for_others_splits_nothing() {
    assert_eq!(scopes("exportTo: [other], trafficPolicy: {outlierDetection: {}}"), (2, 2));
}

#[test]
fn labels_count_where_the_rule_is_seen() {
    assert_eq!(scopes("workloadSelector: {matchLabels: {app: near}}"), (3, 3));
    assert_eq!(scopes("workloadSelector: {matchLabels: {tier: front}}"), (2, 2));
}
