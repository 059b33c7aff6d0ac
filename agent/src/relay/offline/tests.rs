//! What Envoy is told from what was kept, without any IO.

use mesh_proto::google::protobuf::Any;

use super::*;

fn kept(types: &[(&str, &[&str])]) -> Offline {
    let mut snapshot = Snapshot::default();
    for (type_url, names) in types {
        let resource = |name: &&str| Resource {
            name: (*name).to_owned(),
            version: "1".to_owned(),
            resource: Some(Any::default()),
            ..Default::default()
        };
        snapshot.apply(DeltaDiscoveryResponse {
            type_url: (*type_url).to_owned(),
            resources: names.iter().map(resource).collect(),
            ..Default::default()
        });
    }
    Offline::new(snapshot)
}

fn ask(type_url: &str, names: &[&str], has: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
        initial_resource_versions: has.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect(),
        ..Default::default()
    }
}

fn told(responses: &[DeltaDiscoveryResponse]) -> Vec<(String, Vec<String>)> {
    let names =
        |response: &DeltaDiscoveryResponse| response.resources.iter().map(|one| one.name.clone()).collect();
    responses.iter().map(|response| (response.type_url.clone(), names(response))).collect()
}

fn of(type_url: &str, names: &[&str]) -> (String, Vec<String>) {
    (type_url.to_owned(), names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn everything_is_told_once_and_names_when_they_are_asked_for() {
    let mut offline = kept(&[(CLUSTER, &["a", "b"]), (ENDPOINTS, &["a", "b"])]);
    let responses = offline.hear(ask(CLUSTER, &["*"], &[]));
    assert_eq!(told(&responses), [of(CLUSTER, &["a", "b"])]);
    let mut accepted = ask(CLUSTER, &[], &[]);
    accepted.response_nonce = responses[0].nonce.clone();
    assert_eq!(told(&offline.hear(accepted)), []);
    assert_eq!(told(&offline.hear(ask(ENDPOINTS, &["a"], &[]))), [of(ENDPOINTS, &["a"])]);
    assert_eq!(told(&offline.hear(ask(ENDPOINTS, &["b", "unknown"], &[]))), [of(ENDPOINTS, &["b"])]);
    assert_eq!(
        told(&offline.hear(ask("listener", &[], &[]))),
        [of("listener", &[])],
        "told that there is none"
    );
}

#[test]
fn what_envoy_has_is_not_sent_again() {
    let mut offline = kept(&[(CLUSTER, &["a", "b"]), (ENDPOINTS, &["a"])]);
    assert_eq!(told(&offline.hear(ask(CLUSTER, &[], &["a"]))), [of(CLUSTER, &["b"])]);
    assert_eq!(told(&offline.hear(ask(ENDPOINTS, &["a"], &["a"]))), []);
}

#[test]
fn virtual_hosts_follow_their_route_configuration() {
    let mut offline = kept(&[(ROUTE, &["80", "8080"]), (VIRTUAL_HOST, &["80/a", "8080/a"])]);
    assert_eq!(told(&offline.hear(ask(ROUTE, &["80"], &[]))), [of(ROUTE, &["80"])]);
    assert_eq!(told(&offline.hear(ask(VIRTUAL_HOST, &[], &[]))), [of(VIRTUAL_HOST, &["80/a", "8080/a"])]);
    let later = offline.hear(ask(ROUTE, &["8080"], &[]));
    assert_eq!(told(&later), [of(ROUTE, &["8080"]), of(VIRTUAL_HOST, &["8080/a"])]);
}

#[test]
fn secrets_are_denied_but_for_those_that_envoy_has() {
    let mut offline = kept(&[(CLUSTER, &["a"])]);
    assert_eq!(told(&offline.hear(ask(SECRET, &["kubernetes://has"], &["kubernetes://has"]))), []);
    let responses = offline.hear(ask(SECRET, &["kubernetes://a"], &[]));
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].removed_resources, ["kubernetes://a"]);
    assert!(responses[0].resources.is_empty());
}
