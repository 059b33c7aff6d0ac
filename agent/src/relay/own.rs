//! Resources that the agent itself wants, and Envoy does not know.
//!
//! In: responses of the control plane, or what was kept. Out: the changes, to whoever follows them, and what the control plane is to be
//! answered. A new stream says what is here already, so that the differences alone come.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use mesh_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource},
    google::rpc::Status,
};
use prost::Message as _;

/// gRPC's `INVALID_ARGUMENT`.
const INVALID: i32 = 3;

/// Takes resources of a type.
pub trait Follow: Debug + Send + Sync {
    /// Takes changes in, all or none: values by name, and names that are gone.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    fn take(&self, resources: &[(&str, &[u8])], removed: &[&str]) -> Result<(), String>;
}

/// Resources of one type.
#[derive(Debug, Clone)]
pub struct Own {
    type_url: &'static str,
    follower: Arc<dyn Follow>,
    /// Versions of what the follower has been given, by name; `None`: nothing was ever told.
    held: Arc<Mutex<Option<HashMap<String, String>>>>,
}

/// What a response came to.
pub(super) enum Taken {
    /// It was accepted, and is all that there is: what was kept before is void.
    Whole,
    /// It was accepted.
    Changes,
    /// It was refused.
    Nothing,
}

impl Own {
    /// Those of `type_url`, for `follower`.
    pub fn new(type_url: &'static str, follower: Arc<dyn Follow>) -> Self {
        Self { type_url, follower, held: Arc::default() }
    }

    /// The type.
    pub(super) fn type_url(&self) -> &'static str {
        self.type_url
    }

    /// The first request of a stream.
    pub(super) fn subscribe(&self) -> Bytes {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let versions = held.iter().flatten().map(|(name, version)| (name.clone(), version.clone()));
        let request = DeltaDiscoveryRequest {
            type_url: self.type_url.to_owned(),
            initial_resource_versions: versions.collect(),
            ..Default::default()
        };
        request.encode_to_vec().into()
    }

    /// Takes a response in, and says what to answer.
    pub(super) fn hear(&self, response: &DeltaDiscoveryResponse) -> (Bytes, Taken) {
        let DeltaDiscoveryResponse { resources, removed_resources, nonce, .. } = response;
        let (taken, error_detail) = match self.take(resources, removed_resources) {
            Ok(true) => (Taken::Whole, None),
            Ok(false) => (Taken::Changes, None),
            Err(message) => {
                tracing::error!(type_url = self.type_url, message, "refused: what was told before stays");
                (Taken::Nothing, Some(Status { code: INVALID, message, ..Default::default() }))
            }
        };
        let answer = DeltaDiscoveryRequest {
            type_url: self.type_url.to_owned(),
            response_nonce: nonce.clone(),
            error_detail,
            ..Default::default()
        };
        (answer.encode_to_vec().into(), taken)
    }

    /// Takes in what was kept by an earlier process, unless more is known.
    pub(super) fn restore<'a>(&self, kept: impl Iterator<Item = &'a Resource>) {
        let known = self.held.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let kept: Vec<Resource> = kept.cloned().collect();
        if known || kept.is_empty() {
            return;
        }
        if let Err(error) = self.take(&kept, &[]) {
            tracing::error!(type_url = self.type_url, error, "what was kept is of no use");
        }
    }

    /// Whether there was nothing before.
    fn take(&self, resources: &[Resource], removed: &[String]) -> Result<bool, String> {
        // Held all the while: two streams, of which one ends, must not mix what they say.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let values = resources.iter().map(|resource| {
            let value = resource.resource.as_ref().map(|any| &*any.value);
            (resource.name.as_str(), value.unwrap_or_default())
        });
        let removed_names: Vec<&str> = removed.iter().map(String::as_str).collect();
        self.follower.take(&values.collect::<Vec<_>>(), &removed_names)?;
        let first = held.is_none();
        let versions = held.get_or_insert_default();
        for name in removed {
            versions.remove(name);
        }
        versions.extend(resources.iter().map(|resource| (resource.name.clone(), resource.version.clone())));
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mesh_proto::google::protobuf::Any;

    use super::*;

    #[derive(Debug, Default)]
    struct Follower(Mutex<BTreeMap<String, Vec<u8>>>);

    impl Follow for Follower {
        fn take(&self, resources: &[(&str, &[u8])], removed: &[&str]) -> Result<(), String> {
            if resources.iter().any(|(_, value)| value.is_empty()) {
                return Err("empty".to_owned());
            }
            let mut held = self.0.lock().unwrap();
            removed.iter().for_each(|name| drop(held.remove(*name)));
            held.extend(resources.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())));
            Ok(())
        }
    }

    fn response(nonce: &str, resources: &[(&str, &str)], removed: &[&str]) -> DeltaDiscoveryResponse {
        let resource = |(name, value): &(&str, &str)| Resource {
            name: (*name).to_owned(),
            version: format!("version of {value}"),
            resource: Some(Any { value: value.as_bytes().to_vec().into(), ..Default::default() }),
            ..Default::default()
        };
        DeltaDiscoveryResponse {
            nonce: nonce.to_owned(),
            resources: resources.iter().map(resource).collect(),
            removed_resources: removed.iter().map(|name| (*name).to_owned()).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn a_new_stream_says_what_is_held_and_a_refused_response_changes_nothing() {
        let follower = Arc::new(Follower::default());
        let own = Own::new("type", follower.clone());
        let decode = |message: Bytes| DeltaDiscoveryRequest::decode(message).unwrap();
        let held = || follower.0.lock().unwrap().keys().cloned().collect::<Vec<_>>();
        assert!(decode(own.subscribe()).initial_resource_versions.is_empty());

        let (_, taken) = own.hear(&response("1", &[("a", "1"), ("b", "1")], &[]));
        assert!(matches!(taken, Taken::Whole), "what was kept by an earlier process is void");
        let (answer, taken) = own.hear(&response("2", &[("c", "1")], &["a"]));
        assert!(matches!(taken, Taken::Changes));
        let answer = decode(answer);
        assert_eq!((answer.response_nonce.as_str(), answer.error_detail), ("2", None));
        let (answer, taken) = own.hear(&response("3", &[("c", "")], &["b"]));
        assert!(matches!(taken, Taken::Nothing));
        assert_eq!(decode(answer).error_detail.unwrap().message, "empty");
        assert_eq!(held(), ["b", "c"]);
        own.restore([].iter());
        own.restore(response("", &[("old", "1")], &[]).resources.iter());
        assert_eq!(held(), ["b", "c"], "what is known is newer than what was kept");
        let versions: BTreeMap<_, _> =
            decode(own.subscribe()).initial_resource_versions.into_iter().collect();
        assert_eq!(versions.keys().collect::<Vec<_>>(), ["b", "c"]);
    }
}
