//! Requests of the incremental protocol.
//!
//! In: `DeltaDiscoveryRequest`. Out: changes of one watch. A request both answers a response (by nonce) and changes the
//! subscription; the two are independent, so a stale nonce does not void the names.

use crate::resource::{Protocol, ResourceType};
use crate::wire::DeltaDiscoveryRequest;

use super::initial::Initial;
use super::{Received, StreamState};

impl StreamState {
    /// Takes in a request. The node is the server's business.
    pub fn on_delta_request(&mut self, request: DeltaDiscoveryRequest) -> Received {
        let DeltaDiscoveryRequest {
            node: _,
            type_url,
            resource_names_subscribe: subscribe,
            resource_names_unsubscribe: unsubscribe,
            initial_resource_versions,
            response_nonce,
            error_detail,
        } = request;
        let mut received = Received::default();
        let Some(kind) = ResourceType::from_url(&type_url, Protocol::Delta) else { return received };
        received.kind = Some(kind);
        let first = !self.watch(kind).active;
        if !first && !response_nonce.is_empty() {
            let error = error_detail.as_ref().map(|status| &*status.message);
            self.settle(kind, &response_nonce, error, &mut received);
        }
        if !unsubscribe.is_empty() {
            self.unsubscribe(kind, &unsubscribe);
        }
        if first {
            self.activate(kind);
            if subscribe.is_empty() && kind.implicit_wildcard() {
                self.subscribe_to_all(kind);
            }
        }
        if !subscribe.is_empty() {
            self.subscribe(kind, &subscribe);
        }
        if first && !initial_resource_versions.is_empty() {
            let watch = self.watch(kind);
            watch.owed.everything = false;
            watch.owed.asked.clear();
            watch.owed.initial = Some(Box::new(Initial { versions: initial_resource_versions }));
        }
        if first && kind == ResourceType::Endpoints {
            self.owe_warming();
        }
        received
    }

    fn subscribe_to_all(&mut self, kind: ResourceType) {
        let watch = self.watch(kind);
        watch.wildcard = true;
        watch.owed.everything = true;
        // An empty answer, too, tells a proxy that it need not wait for more.
        watch.owed.answer = true;
    }

    fn subscribe(&mut self, kind: ResourceType, subscribe: &[String]) {
        if subscribe.iter().any(|name| name == "*") {
            self.subscribe_to_all(kind);
        }
        let Self { context, watches, .. } = self;
        let watch = &mut watches[kind.index()];
        let names = || subscribe.iter().map(String::as_str).filter(|name| *name != "*");
        let base = watch.base.clone();
        let intern = |name: &str| Some(base.as_ref()?.get(kind, name)?.name().clone());
        let nothing_before = watch.names.is_empty() && !watch.wildcard;
        watch.names = context.shared.names.with(&watch.names, names(), intern);
        if nothing_before {
            watch.owed.everything = true;
            return;
        }
        let set = watch.names.clone();
        watch.owed.asked.extend(names().filter_map(|name| set.get(name)).cloned());
    }

    fn unsubscribe(&mut self, kind: ResourceType, unsubscribe: &[String]) {
        let Self { context, watches, warming, .. } = self;
        let watch = &mut watches[kind.index()];
        if unsubscribe.iter().any(|name| name == "*") {
            watch.wildcard = false;
            let set = watch.names.clone();
            watch.leaving.retain(|name, _| set.contains(name));
            watch.rejected.retain(|name, _| set.contains(name));
            watch.owed.changed.retain(|name| set.contains(name));
            watch.owed.everything &= !set.is_empty();
        }
        let set = watch.names.clone();
        let names = || unsubscribe.iter().map(String::as_str);
        watch.names = context.shared.names.without(&watch.names, names());
        for name in names().filter_map(|name| set.get(name)) {
            watch.forget(name);
            if watch.wildcard {
                // The client does not know whether "all" still includes it: tell.
                watch.owed.changed.insert(name.clone());
            }
            if kind == ResourceType::Endpoints {
                warming.remove(name);
            }
        }
    }
}
