//! Istio's own CRDs: ours accept what they accept, and the control plane works with them in place of ours.

use crate::objects::reach;
use anyhow::{Context, Result, ensure};
use mesh_testkit::{ApiServer, istio};
use mesh_tests::cluster::{crds, install_crds_from};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

#[tokio::test(flavor = "multi_thread")]
async fn work_in_place_of_ours() {
    let (Some(server), Some(theirs)) = (ApiServer::own().await, istio::crds()) else { return };
    let worked = async {
        install_crds_from(&server, &theirs).await?;
        reach(&server).await
    };
    worked.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[test]
fn have_no_field_and_no_limit_that_ours_lack() {
    let Some(theirs) = istio::crds() else { return };
    compare(&theirs).unwrap_or_else(|error| panic!("{error:#}"));
}

fn compare(theirs: &Path) -> Result<()> {
    let theirs = schemas(&fs::read_to_string(theirs)?)?;
    let mut compared = 0;
    for entry in fs::read_dir(crds())? {
        for (version, ours) in schemas(&fs::read_to_string(entry?.path())?)? {
            let Some(theirs) = theirs.get(&version) else { continue };
            let missing: Vec<_> = theirs.iter().filter(|(path, _)| !ours.contains_key(*path)).collect();
            ensure!(missing.is_empty(), "{version} lacks {missing:#?}");
            let wider = |path: &str| {
                WIDER.iter().any(|(kind, of, more)| {
                    version.contains(kind) && *of == path && without(&ours[path], more) == theirs[path]
                })
            };
            let differs =
                |path: &str, limits: &BTreeMap<&'static str, Value>| ours[path] != *limits && !wider(path);
            let other: Vec<_> = theirs.iter().filter(|(path, limits)| differs(path, limits)).collect();
            ensure!(other.is_empty(), "{version} has other limits than {other:#?}");
            compared += 1;
        }
    }
    // Five kinds at least, in three versions each.
    ensure!(compared >= 15, "{compared} schemas compared");
    Ok(())
}

/// Names that ours takes besides Istio's.
const WIDER: [(&str, &str, &str); 1] =
    [("Sidecar", "spec.outboundTrafficPolicy.mode", "\"ALLOW_ANY_DYNAMIC_DNS\"")];

/// The limits of a field that would not take this name.
fn without(limits: &BTreeMap<&'static str, Value>, name: &str) -> BTreeMap<&'static str, Value> {
    let mut limits = limits.clone();
    if let Some(Value::Array(names)) = limits.get_mut("enum") {
        names.retain(|one| one.as_str() != Some(name));
    }
    limits
}

/// What there is to be said of each field: its type, its limits, what must be there.
type Fields = BTreeMap<String, BTreeMap<&'static str, Value>>;

/// What a schema says that makes an object acceptable or not. Documentation and CEL are each one's own.
const LIMITS: [&str; 12] = [
    "type",
    "enum",
    "required",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "maxProperties",
    "minProperties",
];

/// The fields of each kind and version of Istio's groups that are read.
fn schemas(text: &str) -> Result<BTreeMap<String, Fields>> {
    let mut found = BTreeMap::new();
    for document in documents(text) {
        let crd: Value = serde_saphyr::from_str(document)?;
        let spec = &crd["spec"];
        for version in spec["versions"].as_array().context("versions")? {
            let mut fields = Fields::new();
            collect(&version["schema"]["openAPIV3Schema"]["properties"]["spec"], "spec", &mut fields);
            found.insert(format!("{} {}", spec["names"]["kind"], version["name"]), fields);
        }
    }
    Ok(found)
}

fn documents(text: &str) -> impl Iterator<Item = &str> {
    let groups = ["group: networking.istio.io", "group: security.istio.io"];
    text.split("\n---\n").filter(move |text| groups.iter().any(|group| text.contains(group)))
}

fn collect(schema: &Value, path: &str, fields: &mut Fields) {
    let limits = LIMITS.into_iter().filter_map(|name| Some((name, sorted(schema.get(name)?))));
    fields.insert(path.to_owned(), limits.collect());
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        collect(below, &format!("{path}.{name}"), fields);
    }
    for (step, name) in [("[]", "items"), ("{}", "additionalProperties")] {
        if let Some(below) = schema.get(name).filter(|below| below.is_object()) {
            collect(below, &format!("{path}{step}"), fields);
        }
    }
}

/// Lists of names mean the same in any order; so do 1 and 1.0.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let names: BTreeSet<String> = items.iter().map(Value::to_string).collect();
            names.into_iter().map(Value::String).collect()
        }
        Value::Number(number) => number.as_f64().into(),
        other => other.clone(),
    }
}
