//! Requests of the state-of-the-world protocol.
//!
//! In: `DiscoveryRequest`. Out: changes of one watch. A request repeats all names each time and counts only when it answers the
//! last response; what it means otherwise is in the comments, and agrees with what istiod does.

use crate::resource::{Protocol, ResourceType};
use crate::wire::DiscoveryRequest;

use super::{Received, StreamState};

impl StreamState {
    /// Takes in a request. The node is the server's business.
    pub fn on_sotw_request(&mut self, request: DiscoveryRequest) -> Received {
        let DiscoveryRequest {
            version_info: _,
            node: _,
            resource_names,
            type_url,
            response_nonce,
            error_detail,
        } = request;
        let mut received = Received::default();
        let Some(kind) = ResourceType::from_url(&type_url, Protocol::Sotw) else { return received };
        received.kind = Some(kind);
        let watch = self.watch(kind);
        // A first request, whatever nonce it brings from an earlier stream, and one without a nonce are answered in full. But one
        // without a nonce while the first response is on its way has crossed it: the acknowledgement will bring the same names.
        if !watch.active || (response_nonce.is_empty() && watch.in_flight.is_none()) {
            self.activate(kind);
            self.set_names(kind, &resource_names);
            let watch = self.watch(kind);
            watch.owed.everything = true;
            watch.owed.answer = watch.wildcard;
            return received;
        }
        if response_nonce.parse() != Ok(watch.nonce_sent) {
            received.stale = true;
            return received;
        }
        let repeated = watch.in_flight.is_none();
        if repeated && error_detail.is_some() {
            received.stale = true;
            return received;
        }
        if !repeated {
            let error = error_detail.as_ref().map(|status| &*status.message);
            self.settle(kind, &response_nonce, error, &mut received);
            if received.rejected.is_some() {
                return received;
            }
        }
        let watch = self.watch(kind);
        if resource_names.is_empty() && !watch.wildcard {
            let no_names = self.context.shared.names.empty();
            self.watch(kind).clear(no_names);
            return received;
        }
        let changed = self.set_names(kind, &resource_names);
        if repeated && !changed && kind == ResourceType::Endpoints {
            self.answer_warming();
        }
        received
    }

    /// Replaces the subscription; owes what is new in it. Says whether anything changed.
    fn set_names(&mut self, kind: ResourceType, resource_names: &[String]) -> bool {
        let Self { context, watches, warming, .. } = self;
        let watch = &mut watches[kind.index()];
        let star = resource_names.iter().any(|name| name == "*");
        let wildcard = star || (resource_names.is_empty() && kind.implicit_wildcard());
        let names = || resource_names.iter().map(String::as_str).filter(|name| *name != "*");
        let base = watch.base.clone();
        let intern = |name: &str| Some(base.as_ref()?.get(kind, name)?.name().clone());
        let old = watch.names.clone();
        let new = context.shared.names.with(&context.shared.names.empty(), names(), intern);
        let changed = new.sum() != old.sum() || wildcard != watch.wildcard;
        if !changed {
            return false;
        }
        watch.owed.everything |= wildcard && !watch.wildcard;
        watch.wildcard = wildcard;
        for name in old.iter().filter(|name| !new.contains(name)) {
            watch.forget(name);
            if kind == ResourceType::Endpoints {
                warming.remove(name);
            }
        }
        if !wildcard {
            watch.owed.asked.extend(new.iter().filter(|name| !old.contains(name)).cloned());
        }
        watch.names = new;
        true
    }

    /// Envoy repeats its request for endpoints when a modified cluster warms: it looks like an ACK, but wants an answer.
    fn answer_warming(&mut self) {
        let Self { watches, warming, .. } = self;
        let watch = &mut watches[ResourceType::Endpoints.index()];
        let waiting = warming.iter().filter(|(name, nonce)| **nonce == 0 && watch.names.contains(name));
        watch.owed.asked.extend(waiting.map(|(name, _)| name.clone()));
    }
}
