//! Entries of workloads that register themselves: how they are named, who may have them, and when they are over.

use super::*;
use mesh_model::Labels;

fn object(value: Value) -> Entry {
    serde_json::from_value(value).unwrap()
}

fn workload() -> Registering {
    Registering {
        namespace: "shop".into(),
        by: By::Group("vms".into()),
        address: "10.0.0.7".parse().unwrap(),
        network: "".into(),
        locality: String::new(),
        labels: Labels::new(),
        health_checked: false,
        service_account: Some("machine".into()),
    }
}

fn group() -> Entry {
    object(json!({
        "apiVersion": "networking.istio.io/v1", "kind": "WorkloadGroup",
        "metadata": { "name": "vms", "namespace": "shop", "uid": "u-1" },
        "spec": {
            "metadata": { "labels": { "app": "db", "tier": "one" }, "annotations": { "note": "a" } },
            "template": { "serviceAccount": "machine", "ports": { "tcp": 5432 }, "labels": { "app": "x", "a": "b" }, "weight": 3 },
        },
    }))
}

#[test]
fn an_entry_is_what_its_group_and_its_workload_say() {
    let workload = Registering {
        network: "vms".into(),
        locality: "eu/a".into(),
        labels: Labels::from([("tier".into(), "two".into())]),
        health_checked: true,
        ..workload()
    };
    let name = NamespacedName::new("shop", name_of(&workload));
    assert_eq!(&*name.name, "vms-10.0.0.7-vms");
    let entry = from_group(&workload, &name, &group(), "one", "2026-01-01T00:00:00Z");
    assert_eq!(
        entry.data["spec"],
        json!({
            "address": "10.0.0.7", "network": "vms", "locality": "eu/a", "serviceAccount": "machine", "weight": 3,
            "ports": { "tcp": 5432 }, "labels": { "app": "db", "tier": "two", "a": "b" },
        })
    );
    let annotations = entry.annotations();
    for (key, value) in [
        (GROUP, "vms"),
        ("note", "a"),
        (HEALTH_CHECKED, "true"),
        (CONTROLLER, "one"),
        (OURS, "one"),
        (CONNECTED, "2026-01-01T00:00:00Z"),
    ] {
        assert_eq!(annotations.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(entry.labels().get("app").map(String::as_str), Some("db"));
    assert_eq!(entry.owner_references()[0].uid, "u-1");
}

#[test]
fn names_fit_into_kubernetes() {
    let long = Registering { by: By::Group("g".repeat(300).into()), ..workload() };
    let name = name_of(&long);
    assert!(name.len() == NAME && name.ends_with("-10.0.0.7"), "{name}");
    let v6 = Registering { address: "fd00::7".parse().unwrap(), ..workload() };
    assert_eq!(name_of(&v6), "vms-fd00--7");
}

#[test]
fn only_who_it_is_of_registers() {
    let entry = object(json!({ "metadata": { "name": "a" }, "spec": { "serviceAccount": "machine" } }));
    assert!(may_control(&workload(), &entry).is_ok());
    for other in [None, Some("other".into())] {
        assert!(may_control(&Registering { service_account: other, ..workload() }, &entry).is_err());
    }
}

#[test]
fn what_has_come_back_is_not_gone() {
    let at = |controller: &str, connected: &str| {
        object(
            json!({ "metadata": { "name": "a", "annotations": { CONTROLLER: controller, CONNECTED: connected } } }),
        )
    };
    let since = "2026-01-01T00:00:05Z";
    assert!(disconnected(&at("one", since), "one", since).is_some());
    assert!(disconnected(&at("one", "2026-01-01T00:00:06Z"), "one", since).is_none(), "here");
    assert!(disconnected(&at("two", since), "one", since).is_none(), "elsewhere");
    let gone =
        |when: &str| object(json!({ "metadata": { "name": "a", "annotations": { DISCONNECTED: when } } }));
    assert!(is_over(&gone("2026-01-01T00:00:00Z"), Duration::from_secs(10)));
    assert!(!is_over(&gone(&now()), Duration::from_secs(10)));
    assert!(!is_over(&at("one", since), Duration::ZERO), "it is there");
}

#[test]
fn health_leaves_other_conditions_alone() {
    let entry = object(json!({
        "metadata": { "name": "a", "annotations": { CONTROLLER: "one", HEALTH_CHECKED: "true" }, "resourceVersion": "7" },
        "status": { "conditions": [{ "type": "Accepted", "status": "True" }, { "type": HEALTHY, "status": "True" }] },
    }));
    let health = Health { well: Err("503".into()), at: "2026-01-01T00:00:00Z".into() };
    let change = with_health(&entry, "one", &health).unwrap();
    let conditions = change["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 2);
    assert_eq!((&conditions[0]["type"], &conditions[1]["status"]), (&json!("Accepted"), &json!("False")));
    assert_eq!(conditions[1]["message"], "503");
    assert_eq!(change["metadata"]["resourceVersion"], "7");
    assert!(with_health(&entry, "two", &health).is_none());
    assert_eq!(without_health(&entry).unwrap()["status"]["conditions"].as_array().unwrap().len(), 1);
}
