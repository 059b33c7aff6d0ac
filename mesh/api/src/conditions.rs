//! The `status` that all of Istio's kinds share: conditions and messages of the analyser.
//!
//! Only the shape: which conditions exist and when they hold is the business of whoever writes them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// What the control plane reports on an object.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct IstioStatus {
    /// State of the object, one entry for each aspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<IstioCondition>,
    /// Problems found in the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_messages: Vec<ValidationMessage>,
    /// Generation of the spec that this status describes.
    pub observed_generation: Option<ObservedGeneration>,
}

/// One aspect of an object's state.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IstioCondition {
    /// Name of the aspect. Each has one writer: the key by which the API server tells entries apart.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub r#type: Option<String>,
    /// `True`, `False` or `Unknown`.
    pub status: Option<String>,
    /// When the aspect was last looked at.
    #[schemars(extend("format" = "date-time"))]
    pub last_probe_time: Option<String>,
    /// When `status` last changed.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: Option<String>,
    /// One CamelCase word that says why.
    pub reason: Option<String>,
    /// A sentence for people that says why.
    pub message: Option<String>,
    /// Generation of the spec that the condition is about.
    pub observed_generation: Option<ObservedGeneration>,
}

/// A problem found in an object by analysis.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationMessage {
    /// What kind of problem it is.
    #[serde(rename = "type")]
    pub r#type: Option<MessageType>,
    /// How bad it is.
    pub level: Option<MessageLevel>,
    /// Where the problem is explained.
    pub documentation_url: Option<String>,
}

/// The kind of an analysis message.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageType {
    /// Name for people.
    pub name: Option<String>,
    /// `IST` and four digits; stays the same for as long as the message exists.
    pub code: Option<String>,
}

/// How bad an analysis message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageLevel {
    /// Not said.
    Unknown,
    /// The object cannot take effect as written.
    Error,
    /// The object may not do what was meant.
    Warning,
    /// Good to know.
    Info,
}

/// A generation. Written as a number; a number in quotes is read too, because proto JSON writes 64-bit
/// integers that way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ObservedGeneration(pub i64);

impl<'de> Deserialize<'de> for ObservedGeneration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl Visitor<'_> for NumberOrText {
            type Value = ObservedGeneration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a generation number")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(ObservedGeneration(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                i64::try_from(value).map(ObservedGeneration).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(ObservedGeneration).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

impl JsonSchema for ObservedGeneration {
    fn schema_name() -> Cow<'static, str> {
        "ObservedGeneration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
        })
    }
}
