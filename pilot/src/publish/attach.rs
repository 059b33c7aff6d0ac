//! Proxies that come and go: the publisher as the source of streams.
//!
//! In: the node message of a proxy. Out: the channel on which its snapshots come, a way to look up virtual hosts by the names that
//! requests call them, and a guard that forgets the proxy when its stream ends. Workloads that register themselves do so first.

use super::{
    Publisher,
    state::{Home, Subscriber},
};
use crate::proxy::{Connected, Hearing, refusal, registering};
use pilot_xds::{
    latest,
    resource::{Protocol, Resource, ResourceType},
    snapshot::Snapshot,
    source::{Attachment, Health, Proven, Refusal, Resolve, Source},
    wire::Node,
};
use std::{sync::Arc, time::Instant};

impl Source for Publisher {
    async fn attach(
        &self,
        node: &Node,
        protocol: Protocol,
        proven: Option<&Proven>,
    ) -> Result<Attachment, Refusal> {
        let mut connected = Connected::from_node(node)?;
        let health = self.register(node, &connected, proven).await?;
        self.learn_of(proven).await;
        let mut state = self.lock();
        let proxy = connected.proxy(&state.mesh);
        connected.share(&proxy);
        let takes = connected.takes(protocol);
        let home = state.enter(&proxy, takes);
        let id = state.next_id;
        state.next_id += 1;
        let layers = state.layers(&home, takes, proven).map(|layers| layers.map(Arc::clone));
        let layers = layers.ok_or_else(|| Refusal::Unavailable("its configuration is gone".into()))?;
        let snapshot = Snapshot::new(layers, state.sequence, Instant::now());
        let snapshots = latest::Sender::new(snapshot);
        let class = snapshots.subscribe();
        let proxy_name = proxy.name.clone();
        if !connected.ignored().is_empty() {
            tracing::warn!(proxy = %proxy_name, metadata = ?connected.ignored(), "node metadata without effect");
        }
        let subscriber = Subscriber { connected, proxy, takes, home, proven: proven.cloned(), snapshots };
        state.proxies.insert(id, Box::new(subscriber));
        drop(state);
        Ok(Attachment {
            proxy_name,
            class,
            resolver: Arc::new(Aliases { publisher: self.clone(), id }),
            health,
            guard: Box::new(Detach { publisher: self.clone(), id }),
        })
    }
}

impl Publisher {
    /// Registers the workload beside a proxy, if it wants that, for as long as what is returned lives.
    async fn register(
        &self,
        node: &Node,
        connected: &Connected,
        proven: Option<&Proven>,
    ) -> Result<Option<Arc<dyn Health>>, Refusal> {
        let Some(workload) = registering(node, connected, proven) else { return Ok(None) };
        let Some(registrations) = &self.registrations else {
            let message = "workloads register themselves only with a control plane that writes to a cluster: write a WorkloadEntry";
            return Err(Refusal::Unavailable(message.into()));
        };
        let registered = registrations.register(&workload).await.map_err(refusal)?;
        Ok(Some(Arc::new(Hearing(registered))))
    }
}

/// Forgets a proxy when its stream ends.
struct Detach {
    publisher: Publisher,
    id: u64,
}

impl Drop for Detach {
    fn drop(&mut self) {
        let mut state = self.publisher.lock();
        if let Some(subscriber) = state.proxies.remove(&self.id) {
            state.leave(&subscriber.home, subscriber.takes);
        }
    }
}

/// Finds virtual hosts by the names that requests call them.
struct Aliases {
    publisher: Publisher,
    id: u64,
}

impl Resolve for Aliases {
    fn resolve(&self, kind: ResourceType, name: &str) -> Option<Arc<Resource>> {
        if kind != ResourceType::VirtualHost {
            return None;
        }
        let state = self.publisher.lock();
        let subscriber = state.proxies.get(&self.id)?;
        let Home { scope, place: _, class: _, standing: _ } = &subscriber.home;
        state.scopes.get(scope)?.virtual_host_for(name)
    }
}
