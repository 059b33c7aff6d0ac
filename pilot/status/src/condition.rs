//! A condition: what is said, in the form in which objects carry it.

use serde::{Deserialize, Serialize};

/// The conditions that are this crate's. Others on the same object are others' business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    /// The object makes sense by itself.
    Accepted,
    /// What it refers to exists.
    ResolvedRefs,
    /// The proxies that it concerns have it.
    Programmed,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which one.
    #[serde(rename = "type")]
    pub r#type: ConditionType,
    /// `True` or `False`.
    pub status: String,
    /// Why, for programs.
    #[serde(default)]
    pub reason: String,
    /// Why, for people.
    #[serde(default)]
    pub message: String,
    /// The generation that this is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// When `status` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
}

/// The API server takes 32 KiB for a message; people take less.
const MESSAGE: usize = 1024;

impl Condition {
    /// A condition about `generation`.
    pub fn new(
        r#type: ConditionType,
        holds: bool,
        reason: &str,
        message: impl Into<String>,
        generation: i64,
    ) -> Self {
        let mut message: String = message.into();
        if message.len() > MESSAGE {
            let cut = (0..=MESSAGE).rev().find(|at| message.is_char_boundary(*at)).unwrap_or_default();
            message.truncate(cut);
            message.push_str("...");
        }
        let status = if holds { "True" } else { "False" }.to_owned();
        let reason = reason.to_owned();
        Self { r#type, status, reason, message, observed_generation: generation, last_transition_time: None }
    }

    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.status == "True"
    }

    /// Whether both say the same, whenever that began.
    pub fn says_what(&self, other: &Self) -> bool {
        let Self { r#type, status, reason, message, observed_generation, last_transition_time: _ } = self;
        self.verdict() == other.verdict()
            && (r#type, status, reason) == (&other.r#type, &other.status, &other.reason)
            && *message == other.message
            && *observed_generation == other.observed_generation
    }

    /// What programs look at: a message that only counts on differs by nothing here.
    pub fn verdict(&self) -> (ConditionType, &str, &str, i64) {
        (self.r#type, &self.status, &self.reason, self.observed_generation)
    }
}
