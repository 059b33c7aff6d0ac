//! Short ways to write the well-known types: `Any`, `Duration`, `Struct`.

use prost::{DecodeError, Message, Name};

use crate::google::protobuf::value::Kind;
use crate::google::protobuf::{Any, Duration, Struct, Value};

/// The message in an `Any`, encoded once.
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec().into() }
}

/// The message out of an `Any`; `None` if it holds another type.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Option<Result<M, DecodeError>> {
    (any.type_url == M::type_url()).then(|| M::decode(any.value.clone()))
}

/// A `Duration`; what is too long to be written is written as the longest that can be.
pub fn duration(duration: std::time::Duration) -> Duration {
    Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// A `Struct` of string values.
pub fn string_struct<K: Into<String>, V: Into<String>>(fields: impl IntoIterator<Item = (K, V)>) -> Struct {
    let value = |text: V| Value { kind: Some(Kind::StringValue(text.into())) };
    Struct { fields: fields.into_iter().map(|(key, text)| (key.into(), value(text))).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::cluster::v3::Cluster;
    use crate::envoy::config::listener::v3::Listener;

    #[test]
    fn an_any_gives_back_what_was_put_in() {
        let cluster = Cluster { name: "outbound|80||a".to_owned(), ..Default::default() };
        let any = pack(&cluster);
        assert_eq!(any.type_url, "type.googleapis.com/envoy.config.cluster.v3.Cluster");
        assert_eq!(unpack::<Cluster>(&any).unwrap().unwrap(), cluster);
        assert!(unpack::<Listener>(&any).is_none());
    }

    #[test]
    fn equal_structs_encode_equally() {
        let one = string_struct([("b", "2"), ("a", "1")]).encode_to_vec();
        assert_eq!(one, string_struct([("a", "1"), ("b", "2")]).encode_to_vec());
    }

    #[test]
    fn durations_keep_their_nanoseconds() {
        assert_eq!(
            duration(std::time::Duration::from_millis(1_500)),
            Duration { seconds: 1, nanos: 500_000_000 }
        );
    }
}
