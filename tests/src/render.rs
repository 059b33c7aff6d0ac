//! What a proxy is told, as YAML that a person can review.
//!
//! In: resources, and which of them a case is about. Out: Envoy's messages as YAML. What all have alike is left out
//! ([`crate::usual`]) unless the case asks for all of it. Must not know where the resources come from.

use crate::{Told, usual, yaml};
use anyhow::{Context, Result};
use pilot_xds::resource::{Resource, ResourceType};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A type of resource, as cases name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Section {
    Clusters,
    Endpoints,
    Listeners,
    Routes,
    VirtualHosts,
    NameTable,
    Secrets,
}

impl Section {
    fn of(kind: ResourceType) -> Self {
        match kind {
            ResourceType::Cluster => Section::Clusters,
            ResourceType::Endpoints => Section::Endpoints,
            ResourceType::Listener => Section::Listeners,
            ResourceType::Route | ResourceType::InlineRoute => Section::Routes,
            ResourceType::VirtualHost => Section::VirtualHosts,
            ResourceType::NameTable => Section::NameTable,
            ResourceType::Secret => Section::Secrets,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Section::Clusters => "clusters",
            Section::Endpoints => "endpoints",
            Section::Listeners => "listeners",
            Section::Routes => "routes",
            Section::VirtualHosts => "virtualHosts",
            Section::NameTable => "nameTable",
            Section::Secrets => "secrets",
        }
    }
}

/// What is printed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Print {
    /// Names of resources to print, by type; `*` stands for any part of a name.
    pub print: BTreeMap<Section, Vec<String>>,
    /// Of these types only these fields, and the rest not.
    pub fields: BTreeMap<Section, Vec<String>>,
    /// Only the names of these, by type.
    pub names: BTreeMap<Section, Vec<String>>,
    /// With what all resources have alike.
    pub full: bool,
}

/// The parts of `told` that `print` asks for, and `problems` before them.
pub fn render(told: &Told, problems: Vec<String>, print: &Print) -> Result<String> {
    let mut sections = Map::new();
    if !problems.is_empty() {
        sections.insert("problems".into(), problems.into());
    }
    for ((kind, name), resource) in &told.resources {
        let section = Section::of(*kind);
        let wants = |wanted: &BTreeMap<Section, Vec<String>>| {
            wanted.get(&section).is_some_and(|globs| globs.iter().any(|glob| matches(glob, name)))
        };
        if wants(&print.print) {
            let message = message(resource, print)?;
            let of_type = sections.entry(section.title()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(of_type) = of_type {
                of_type.insert(name.to_string(), message);
            }
        } else if wants(&print.names) {
            let title = format!("names of {}", section.title());
            let names = sections.entry(title).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(names) = names {
                names.push(Value::String(name.to_string()));
            }
        }
    }
    Ok(yaml::to_yaml(&Value::Object(sections)))
}

/// A resource without what all of its type have alike.
///
/// # Errors
/// When it is no message of its type.
pub fn gist(resource: &Resource) -> Result<Value> {
    message(resource, &Print::default())
}

fn message(resource: &Resource, print: &Print) -> Result<Value> {
    let kind = resource.kind();
    let json = mesh_proto::json::to_json(kind.type_url(), &resource.message())
        .with_context(|| format!("{} {}", kind.label(), resource.name()))?;
    let mut json = if print.full { json } else { usual::without(kind, json) };
    if let Value::Object(fields) = &mut json {
        // The name is the key already.
        fields.retain(|field, value| value.as_str() != Some(&**resource.name()) || field == "@type");
        if let Some(wanted) = print.fields.get(&Section::of(kind)) {
            fields.retain(|field, _| wanted.contains(field));
        }
    }
    Ok(json)
}

/// Whether `name` is of the form `glob`.
fn matches(glob: &str, name: &str) -> bool {
    match glob.split_once('*') {
        None => glob == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|skip| rest.is_char_boundary(skip) && matches(after, &rest[skip..]))
        }),
    }
}
