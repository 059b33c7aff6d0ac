//! Messages to JSON and back, by the name of their type.
//!
//! In and out is protobuf's JSON mapping as Envoy's admin interface and bootstrap use it: field names as in the proto
//! files, enum values by name, `Any` expanded with `@type`. Equal messages give equal JSON and equal JSON gives equal
//! bytes: keys are sorted.

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, ReflectMessage, SerializeOptions};
use serde_json::{Map, Value};

use crate::canonical;
use crate::reflect::{self, Error};

/// The JSON of an encoded message.
pub fn to_json(type_url: &str, bytes: &[u8]) -> Result<Value, Error> {
    let message = reflect::decode(type_url, bytes)?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    let value = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| json_error(message.descriptor().full_name(), error))?;
    Ok(sorted(value))
}

/// The encoded message that the JSON means. Field names may be `snake_case` or `camelCase`; unknown ones are an error.
pub fn from_json(type_url: &str, json: &Value) -> Result<Bytes, Error> {
    let descriptor = reflect::message_type(type_url)?;
    let name = descriptor.full_name().to_owned();
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(descriptor.clone(), json, &options)
        .map_err(|error| json_error(&name, error))?;
    Ok(canonical::encode(&descriptor, &message.encode_to_vec()).into())
}

fn json_error(type_name: &str, error: serde_json::Error) -> Error {
    Error::Json { type_name: type_name.to_owned(), reason: error.to_string() }
}

/// Sorts the keys of all objects: protobuf maps come in no order, and `serde_json` may keep the order of insertion.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(object) => {
            let mut entries: Vec<_> = object.into_iter().collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";

    fn listener() -> Value {
        json!({
            "name": "virtualInbound",
            "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
            "traffic_direction": "INBOUND",
            "metadata": {"filter_metadata": {"b": {"y": "2", "x": "1"}, "a": {"z": true}}},
            "listener_filters_timeout": "1.500s",
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "inbound",
                    "http_filters": [{
                        "name": "envoy.filters.http.router",
                        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
                    }]
                }
            }]}]
        })
    }

    #[test]
    fn nested_anys_are_expanded_and_read_again() {
        let bytes = from_json(LISTENER, &listener()).unwrap();
        assert_eq!(to_json(LISTENER, &bytes).unwrap(), listener());
    }

    #[test]
    fn equal_json_gives_equal_bytes() {
        let first = from_json(LISTENER, &listener()).unwrap();
        for _ in 0..20 {
            assert_eq!(from_json(LISTENER, &listener()).unwrap(), first);
        }
        let typed = crate::envoy::config::listener::v3::Listener::decode(first.clone()).unwrap();
        assert_eq!(typed.encode_to_vec(), first, "and they are the bytes that the generated types write");
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let error = from_json(LISTENER, &json!({"nam": "x"})).unwrap_err().to_string();
        assert!(error.contains("envoy.config.listener.v3.Listener") && error.contains("nam"), "{error}");
        let error = to_json("type.googleapis.com/nobody.knows.This", b"").unwrap_err().to_string();
        assert!(error.contains("nobody.knows.This"), "{error}");
        assert!(to_json(LISTENER, b"\xff\xff").is_err());
    }

    #[test]
    fn protos_written_here_are_known() {
        let json =
            json!({"table": {"b.example": {"ips": ["10.0.0.1"]}, "a.example": {"registry": "External"}}});
        let name = "istio.networking.nds.v1.NameTable";
        assert_eq!(to_json(name, &from_json(name, &json).unwrap()).unwrap(), json);
    }
}
