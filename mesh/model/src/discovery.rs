//! `discoverySelectors`: which namespaces belong to the mesh.

use crate::{Labels, Str};
use serde::Serialize;

/// Kubernetes' LabelSelector: all of it has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LabelSelector {
    /// `matchLabels`.
    pub labels: Labels,
    /// `matchExpressions`.
    pub expressions: Vec<LabelExpression>,
}

/// One of `matchExpressions`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LabelExpression {
    /// The label.
    pub key: Str,
    /// What is asked of it.
    pub operator: LabelOperator,
    /// With `In` and `NotIn`: the values.
    pub values: Vec<Str>,
}

/// What an expression asks of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)] // The names are Kubernetes' own.
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// Whether something with these labels is meant.
    pub fn selects(&self, labels: &Labels) -> bool {
        let Self { labels: wanted, expressions } = self;
        let fits = |expression: &LabelExpression| {
            let LabelExpression { key, operator, values } = expression;
            let value = labels.get(key);
            let is_listed = value.is_some_and(|value| values.contains(value));
            match operator {
                LabelOperator::In => is_listed,
                LabelOperator::NotIn => !is_listed,
                LabelOperator::Exists => value.is_some(),
                LabelOperator::DoesNotExist => value.is_none(),
            }
        };
        wanted.iter().all(|(key, value)| labels.get(key) == Some(value)) && expressions.iter().all(fits)
    }
}
