//! What is to be written, while it is not written yet.
//!
//! In: accepted responses, from tasks that must not wait. Out: the same in their order, to the thread that writes. When they come faster
//! than they are written, the newest version of each resource replaces those before it, so that no more waits than about twice what the
//! configuration itself takes.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use mesh_proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use prost::Message as _;
use tokio::sync::oneshot;

use super::Snapshot;

/// So many bytes wait as they came: more than an ordinary configuration has.
const ROOM: usize = 8 << 20;

/// Something for the thread that writes.
#[derive(Debug)]
pub(super) enum Request {
    Accepted(Bytes),
    Forget(String),
    Read(oneshot::Sender<Snapshot>),
}

impl Request {
    fn length(&self) -> usize {
        match self {
            Self::Accepted(response) => response.len(),
            Self::Forget(type_url) => type_url.len(),
            Self::Read(_) => 0,
        }
    }
}

/// Requests that wait.
#[derive(Debug, Default)]
pub(super) struct Pending {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<Request>,
    bytes: usize,
    /// What was left when it last had no room. Twice as much may gather before that is done again.
    merged: usize,
    ended: bool,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits for what is written.
    pub(super) fn push(&self, request: Request) {
        let mut queue = self.lock();
        queue.bytes += request.length();
        queue.requests.push_back(request);
        if queue.bytes > ROOM.max(2 * queue.merged) {
            queue.merge();
        }
        self.changed.notify_one();
    }

    /// Nothing comes any more.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    /// The next one, as soon as there is one; `None` at the end, when all are through.
    pub(super) fn next(&self) -> Option<Request> {
        let mut queue = self.lock();
        loop {
            if let Some(request) = queue.requests.pop_front() {
                queue.bytes -= request.length();
                return Some(request);
            }
            if queue.ended {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What became of a type.
#[derive(Default)]
struct Changes {
    /// Whether nothing of before counts.
    forgotten: bool,
    /// The newest of each resource; `None` when it was removed.
    resources: HashMap<String, Option<Resource>>,
}

impl Queue {
    /// Leaves for each type what has become of it. Who wants to read gets to know the newest.
    fn merge(&mut self) {
        let (mut types, mut last) = (BTreeMap::<String, Changes>::new(), Vec::new());
        for request in self.requests.drain(..) {
            match request {
                Request::Read(_) => last.push(request),
                Request::Forget(type_url) => {
                    types.insert(type_url, Changes { forgotten: true, ..Changes::default() });
                }
                Request::Accepted(response) => match DeltaDiscoveryResponse::decode(response) {
                    Ok(DeltaDiscoveryResponse { resources, removed_resources, type_url, .. }) => {
                        let changes = types.entry(type_url).or_default();
                        changes.resources.extend(removed_resources.into_iter().map(|name| (name, None)));
                        let named =
                            resources.into_iter().map(|resource| (resource.name.clone(), Some(resource)));
                        changes.resources.extend(named);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an accepted response can't be read: it is not kept")
                    }
                },
            }
        }
        for (type_url, Changes { forgotten, resources }) in types {
            if forgotten {
                self.requests.push_back(Request::Forget(type_url.clone()));
            }
            let mut response = DeltaDiscoveryResponse { type_url, ..Default::default() };
            for (name, resource) in resources {
                match resource {
                    Some(resource) => response.resources.push(resource),
                    None => response.removed_resources.push(name),
                }
            }
            self.requests.push_back(Request::Accepted(response.encode_to_vec().into()));
        }
        self.requests.extend(last);
        self.bytes = self.requests.iter().map(Request::length).sum();
        self.merged = self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use mesh_proto::google::protobuf::Any;

    use super::*;

    fn accepted(type_url: &str, name: &str, version: usize, removed: &[&str]) -> Request {
        let resource = Resource {
            name: name.to_owned(),
            version: version.to_string(),
            resource: Some(Any { type_url: type_url.to_owned(), value: vec![7; 1 << 20].into() }),
            ..Default::default()
        };
        let removed_resources = removed.iter().map(|name| (*name).to_owned()).collect();
        let (type_url, resources) = (type_url.to_owned(), vec![resource]);
        let response =
            DeltaDiscoveryResponse { type_url, resources, removed_resources, ..Default::default() };
        Request::Accepted(response.encode_to_vec().into())
    }

    /// What the requests come to, after a cluster `old` and a route `old` that were written before.
    fn drained(pending: &Pending) -> (usize, Vec<String>) {
        pending.end();
        let (mut snapshot, mut longest) = (Snapshot::default(), 0);
        for type_url in ["cluster", "route"] {
            let Request::Accepted(bytes) = accepted(type_url, "old", 0, &[]) else { panic!() };
            snapshot.apply(DeltaDiscoveryResponse::decode(bytes).unwrap());
        }
        while let Some(request) = pending.next() {
            longest += request.length();
            match request {
                Request::Accepted(bytes) => snapshot.apply(DeltaDiscoveryResponse::decode(bytes).unwrap()),
                Request::Forget(type_url) => snapshot.forget(&type_url),
                Request::Read(_) => {}
            }
        }
        let of =
            |type_url| snapshot.resources(type_url).map(|found| format!("{}={}", found.name, found.version));
        (longest, of("cluster").chain(of("route")).collect())
    }

    #[test]
    fn what_comes_too_fast_replaces_what_was_not_written_yet() {
        let pending = Pending::default();
        pending.push(accepted("route", "gone", 1, &[]));
        pending.push(Request::Forget("route".to_owned()));
        pending.push(accepted("cluster", "b", 1, &["old"]));
        for version in 0..100 {
            pending.push(accepted("cluster", "a", version, &[]));
        }
        pending.push(accepted("route", "r", 2, &["b"]));
        let (bytes, kept) = drained(&pending);
        assert_eq!(kept, ["a=99", "b=1", "r=2"]);
        assert!(bytes <= ROOM, "{bytes} bytes waited");
    }

    #[test]
    fn a_configuration_without_room_waits_as_a_whole() {
        let pending = Pending::default();
        let names: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
        for version in 0..5 {
            names.iter().for_each(|name| pending.push(accepted("cluster", name, version, &[])));
        }
        let (bytes, kept) = drained(&pending);
        assert_eq!(kept.len(), 22);
        assert!(kept[..20].iter().all(|found| found.ends_with("=4")), "{kept:?}");
        assert!(bytes < 50 << 20, "{bytes} bytes waited");
    }
}
