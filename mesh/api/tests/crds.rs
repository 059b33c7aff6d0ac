//! The committed CRD YAML is what the types generate.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

fn charts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../charts/crds")
}

/// Sorts fields by name, also where another crate makes serde_json keep the order of insertion.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let fields: BTreeMap<String, Value> =
                object.into_iter().map(|(name, inner)| (name, sorted(inner))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[test]
fn committed_yaml_is_generated_from_the_types() {
    for crd in mesh_api::crds().unwrap() {
        let path = charts().join(format!("{}.yaml", crd.spec.names.plural));
        let value = sorted(serde_json::to_value(&crd).unwrap());
        let yaml = format!(
            "# Generated from mesh/api; do not edit. UPDATE_GOLDEN=1 cargo test -p mesh-api --test crds writes it.\n{}",
            serde_saphyr::to_string(&value).unwrap()
        );
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(charts()).unwrap();
            std::fs::write(&path, &yaml).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == yaml,
            "{} is not what the types generate; run `UPDATE_GOLDEN=1 cargo test -p mesh-api --test crds`",
            path.display()
        );
        let read: Value = serde_saphyr::from_str(&committed).unwrap();
        assert_eq!(sorted(read), value, "{} does not read back", path.display());
    }
}

/// What `kubectl get` shows of each kind is there, and says more than the name.
#[test]
fn every_kind_has_columns_that_lead_to_a_field() {
    for crd in mesh_api::crds().unwrap() {
        for version in &crd.spec.versions {
            let of = format!("{} {}", crd.spec.names.kind, version.name);
            let columns = version.additional_printer_columns.as_deref().unwrap_or_default();
            let has_age = columns.iter().any(|column| column.json_path == ".metadata.creationTimestamp");
            assert!(has_age, "{of}: no column with its age");
            let schema =
                version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()).unwrap();
            let schema = serde_json::to_value(schema).unwrap();
            for column in columns.iter().filter(|column| column.json_path.starts_with(".spec.")) {
                let mut at = &schema;
                for name in column.json_path[1..].split('.') {
                    at = &at["properties"][name];
                }
                assert!(at.is_object(), "{of}: {} leads nowhere", column.json_path);
                assert!(column.description.is_some(), "{of}: {} says nothing of itself", column.name);
            }
        }
    }
}
