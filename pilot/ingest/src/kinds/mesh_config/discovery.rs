//! `discoverySelectors`: Kubernetes' label selectors.

use crate::{at::At, values::parse_labels};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector as ApiSelector, LabelSelectorRequirement as ApiRequirement,
};
use mesh_model::{LabelExpression, LabelOperator, LabelSelector, Reason};

/// Reads the selectors. One that cannot be read selects nothing; nothing is widened by that.
pub fn parse(selectors: Vec<ApiSelector>, at: &At<'_>) -> Vec<LabelSelector> {
    let parse = |(index, selector)| parse_selector(selector, &at.index(index));
    selectors.into_iter().enumerate().map(parse).collect()
}

pub fn parse_selector(selector: ApiSelector, at: &At<'_>) -> LabelSelector {
    let ApiSelector { match_labels, match_expressions } = selector;
    let at = at.field("matchExpressions");
    let expressions = match_expressions.unwrap_or_default().into_iter().enumerate();
    LabelSelector {
        labels: parse_labels(&match_labels.unwrap_or_default()),
        expressions: expressions.map(|(index, entry)| parse_expression(entry, &at.index(index))).collect(),
    }
}

fn parse_expression(entry: ApiRequirement, at: &At<'_>) -> LabelExpression {
    let ApiRequirement { key, operator, values } = entry;
    let values = values.unwrap_or_default();
    let listed = !values.is_empty();
    let at_values = at.field("values");
    let operator = match operator.as_str() {
        "In" | "NotIn" if !listed => {
            at_values.error_hint(
                Reason::Required,
                format!("{operator} needs values; this selects nothing"),
                "write what the label may be, as in `values: [shop]`, or `operator: Exists`",
            );
            LabelOperator::In
        }
        "In" => LabelOperator::In,
        "NotIn" => LabelOperator::NotIn,
        "Exists" | "DoesNotExist" if listed => {
            at_values.error_hint(
                Reason::Conflict,
                format!("{operator} takes no values; this selects nothing"),
                "leave `values` out, or write `operator: In`",
            );
            // In nothing.
            return LabelExpression { key: key.into(), operator: LabelOperator::In, values: Vec::new() };
        }
        "Exists" => LabelOperator::Exists,
        "DoesNotExist" => LabelOperator::DoesNotExist,
        other => {
            at.field("operator").error_hint(
                Reason::InvalidValue,
                format!("`{other}` is no operator; this selects nothing"),
                "write In, NotIn, Exists or DoesNotExist",
            );
            return LabelExpression { key: key.into(), operator: LabelOperator::In, values: Vec::new() };
        }
    };
    LabelExpression { key: key.into(), operator, values: values.into_iter().map(Into::into).collect() }
}
