//! An object as an API server stores it.

use serde_json::{Number, Value};

/// The largest whole number up to which a float is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Changes an object in the two ways an API server does before it validates: fields that are null go, and
/// whole numbers lose their decimals (`80.0` is 80). Nulls in lists stay, and are wrong there.
pub fn as_stored(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, inner| !inner.is_null());
            object.values_mut().for_each(as_stored);
        }
        Value::Array(items) => items.iter_mut().for_each(as_stored),
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The whole number that a number is, however it is written.
#[allow(clippy::cast_possible_truncation)] // In range: checked in the same line.
pub fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT).map(|float| float as i64)
    })
}
