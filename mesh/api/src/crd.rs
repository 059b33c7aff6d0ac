//! The CustomResourceDefinitions of this API, generated from its types.
//!
//! In: what the derive knows of names and columns, and the schemas. Out: one definition for each kind, with
//! all served versions. They replace Istio's own: names, labels and what is accepted are the same.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation, JSONSchemaProps,
};
use kube_core::CustomResourceExt;
use serde_json::{Value, json};

use crate::kind::Kind;
use crate::networking::{
    DestinationRule, ProxyConfig, ServiceEntry, Sidecar, VirtualService, WorkloadEntry, WorkloadGroup,
};
use crate::schema::{schema_for, status_schema_for};
use crate::security::PeerAuthentication;

/// The definitions of all kinds.
///
/// # Errors
/// When a schema is not one that Kubernetes can express; a test proves that this does not happen.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    Kind::ALL.into_iter().map(crd).collect()
}

fn crd(kind: Kind) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut definition = match kind {
        Kind::VirtualService => VirtualService::crd(),
        Kind::DestinationRule => DestinationRule::crd(),
        Kind::ServiceEntry => ServiceEntry::crd(),
        Kind::WorkloadEntry => WorkloadEntry::crd(),
        Kind::WorkloadGroup => WorkloadGroup::crd(),
        Kind::Sidecar => Sidecar::crd(),
        Kind::ProxyConfig => ProxyConfig::crd(),
        Kind::PeerAuthentication => PeerAuthentication::crd(),
    };
    // The names that Istio's own definitions carry: tools find them by these, and `helm uninstall` keeps them.
    definition.metadata.labels = Some(names([
        ("app", "istio-pilot"),
        ("chart", "istio"),
        ("heritage", "Tiller"),
        ("release", "istio"),
    ]));
    if kind.group() == crate::security::GROUP {
        definition.metadata.labels.get_or_insert_default().insert("istio".to_owned(), "security".to_owned());
    }
    definition.metadata.annotations = Some(names([("helm.sh/resource-policy", "keep")]));
    definition.spec.names.list_kind = Some(format!("{kind}List"));

    let schema: JSONSchemaProps = serde_json::from_value(object_schema(kind))?;
    let derived = std::mem::take(&mut definition.spec.versions);
    for base in derived {
        for (index, version) in kind.versions().iter().enumerate() {
            let mut served = base.clone();
            served.name = (*version).to_owned();
            served.served = true;
            served.storage = index == 0;
            served.schema = Some(CustomResourceValidation { open_api_v3_schema: Some(schema.clone()) });
            definition.spec.versions.push(served);
        }
    }
    Ok(definition)
}

fn object_schema(kind: Kind) -> Value {
    let spec = schema_for(kind);
    let mut schema = json!({
        "type": "object",
        "properties": { "spec": spec, "status": status_schema_for(kind) },
    });
    // Istio's definitions ask for a spec only where they have rules on the whole of it.
    let spec_required = match kind {
        Kind::ServiceEntry | Kind::WorkloadEntry | Kind::WorkloadGroup => true,
        Kind::VirtualService
        | Kind::DestinationRule
        | Kind::Sidecar
        | Kind::ProxyConfig
        | Kind::PeerAuthentication => false,
    };
    if spec_required {
        schema["required"] = json!(["spec"]);
    }
    schema
}

fn names<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
