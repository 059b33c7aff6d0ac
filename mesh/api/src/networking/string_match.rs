//! `StringMatch`: how a header, path or other text is compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::schema::rules;

/// A comparison with a text, case-sensitive. At most one field is set; none set asks only for presence.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = rules::at_most_one_of(&["exact", "prefix", "regex"])))]
pub struct StringMatch {
    /// The whole text is equal to this.
    pub exact: Option<String>,
    /// The text starts with this.
    pub prefix: Option<String>,
    /// The whole text matches this regular expression in RE2 syntax.
    pub regex: Option<String>,
}
