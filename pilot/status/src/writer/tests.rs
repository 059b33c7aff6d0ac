//! What is applied where conditions are one value.

use super::*;
use kube::api::ApiResource;
use mesh_model::Kind;

fn due(version: Option<&str>) -> Write {
    let condition = |r#type| Condition::new(r#type, true, "Ours", "", 2);
    let held = Held {
        uid: Some("one".into()),
        generation: 2,
        conditions: vec![Condition::new(ConditionType::Accepted, false, "Theirs", "", 1)],
        others: vec![json!({ "type": "Example", "status": "True", "extra": [1] })],
        version: version.map(str::to_owned),
    };
    let conditions =
        [ConditionType::Accepted, ConditionType::ResolvedRefs, ConditionType::Programmed].map(condition);
    Write { object: ObjectRef::new(Kind::VirtualService, "shop", "web"), held, conditions }
}

fn served(merges: bool) -> Served {
    let resource = ApiResource {
        group: "networking.istio.io".into(),
        version: "v1".into(),
        api_version: "networking.istio.io/v1".into(),
        kind: "VirtualService".into(),
        plural: "virtualservices".into(),
    };
    Served { resource, merges }
}

#[test]
fn the_whole_list_goes_onto_the_version_that_was_read() {
    let body = body(&served(false), due(Some("17")), "now");
    let conditions = body["status"]["conditions"].as_array().unwrap();
    let types: Vec<_> = conditions.iter().map(|condition| condition["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["Example", "Accepted", "ResolvedRefs", "Programmed"]);
    assert_eq!(conditions[0], json!({ "type": "Example", "status": "True", "extra": [1] }));
    assert_eq!(body["metadata"]["resourceVersion"], "17");
}

#[test]
fn where_conditions_merge_only_ours_are_written() {
    let body = body(&served(true), due(Some("17")), "now");
    assert_eq!(body["status"]["conditions"].as_array().unwrap().len(), 3);
    assert_eq!(body["metadata"].get("resourceVersion"), None);
}
