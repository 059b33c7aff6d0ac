//! Messages as JSON, for people to compare; and a check of Envoy's rules on the way, since no test wants to break them.

use mesh_proto::{json::to_json, validate::validate};
use prost::{Message, Name};
use serde_json::Value;

/// The JSON of a message that breaks no rule.
pub fn json<M: Message + Name>(message: &M) -> Value {
    let bytes = message.encode_to_vec();
    assert_eq!(validate(&M::type_url(), &bytes).unwrap(), [], "{}", M::type_url());
    to_json(&M::type_url(), &bytes).unwrap()
}

/// The part of `value` at `pointer`; null when it is not there.
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}
