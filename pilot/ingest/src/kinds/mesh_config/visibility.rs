//! `serviceEntryVisibility`: how far ServiceEntries may be seen at most.
//!
//! In: the block as written. Out: its policies. What a rule asks that is not known here selects nothing, as in Istio.

use super::discovery;
use crate::at::At;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector as ApiSelector;
use mesh_model::{
    EntryVisibility, LabelExpression, LabelOperator, LabelSelector, Problem, Reason, Severity, Visibility,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The block.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// How far where no policy holds.
    default_visibility: Option<Width>,
    /// The first that holds for the ServiceEntry's namespace counts.
    #[serde(default)]
    policies: Vec<Policy>,
    /// Whether it holds for sidecars.
    #[serde(default)]
    apply_to_sidecars: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Policy {
    /// How far.
    visibility: Option<Width>,
    /// All have to hold.
    #[serde(default)]
    matching_rules: Vec<Rule>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Rule {
    /// Labels of the ServiceEntry's namespace.
    namespace_selector: Option<ApiSelector>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Width {
    VisibilityUnspecified,
    None,
    Namespace,
    Public,
}

/// Reads the block. `None`: it does not hold for sidecars.
pub fn parse(setting: Setting, at: &At<'_>) -> Option<EntryVisibility> {
    let Setting { default_visibility, policies, apply_to_sidecars } = setting;
    let at_policies = at.field("policies");
    let parse = |(index, policy)| parse_policy(policy, &at_policies.index(index));
    let policies = policies.into_iter().enumerate().map(parse).collect();
    if !apply_to_sidecars {
        at.report(
            Problem::new(
                Severity::Warning,
                Reason::NotSupported,
                at.path(),
                "this has no effect: it is about ambient meshes, which Meltemi does not serve",
            )
            .hint("with `applyToSidecars: true` it holds for sidecars, too"),
        );
        return None;
    }
    Some(EntryVisibility { usual: visibility(default_visibility), policies, found: BTreeMap::new() })
}

fn parse_policy(policy: Policy, at: &At<'_>) -> (Vec<LabelSelector>, Visibility) {
    let Policy { visibility: width, matching_rules } = policy;
    let at = at.field("matchingRules");
    let parse = |(index, rule): (usize, Rule)| {
        let at = at.index(index);
        let Rule { namespace_selector } = rule;
        match namespace_selector {
            Some(selector) => discovery::parse_selector(selector, &at.field("namespaceSelector")),
            None => {
                at.error_hint(
                    Reason::Required,
                    "there is no `namespaceSelector`: this policy holds nowhere",
                    "leave out the rule if the policy is to hold everywhere",
                );
                nothing()
            }
        }
    };
    (matching_rules.into_iter().enumerate().map(parse).collect(), visibility(width))
}

fn visibility(width: Option<Width>) -> Visibility {
    match width {
        None | Some(Width::VisibilityUnspecified | Width::Public) => Visibility::Public,
        Some(Width::Namespace) => Visibility::Namespace,
        Some(Width::None) => Visibility::None,
    }
}

fn nothing() -> LabelSelector {
    let in_nothing = LabelExpression { key: "".into(), operator: LabelOperator::In, values: Vec::new() };
    LabelSelector { expressions: vec![in_nothing], ..LabelSelector::default() }
}
