//! What hosts need of listeners, by port.
//!
//! In: what each host needs. Out: for a port, all that hosts need of it, and who came too late there.

use imbl::OrdMap;
use mesh_model::{Host, ObjectRef};
use pilot_view::{ListenerKey, PortUse};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The ports of a scope. One map for all of them: most ports have one host. Clones share what they have in common.
#[derive(Clone, Default)]
pub struct Ports {
    uses: OrdMap<(ListenerKey, Host), Arc<[PortUse]>>,
    /// Services that an older one keeps from a port.
    lost: BTreeMap<ListenerKey, BTreeSet<ObjectRef>>,
}

impl Ports {
    /// All ports that some host needs.
    pub fn keys(&self) -> BTreeSet<ListenerKey> {
        self.uses.keys().map(|(key, _)| key.clone()).collect()
    }

    /// Their numbers.
    pub fn numbers(&self) -> BTreeSet<u16> {
        self.uses.keys().filter_map(|(key, _)| key.port()).collect()
    }

    /// What hosts need of a port, in order of host.
    pub fn of<'a>(&'a self, key: &'a ListenerKey) -> impl Iterator<Item = &'a PortUse> {
        let from = (key.clone(), Host::new(""));
        let of_port = self.uses.range(from..).take_while(move |((port, _), _)| port == key);
        of_port.flat_map(|(_, uses)| uses.iter())
    }

    /// Notes what a host needs of a port; true if that is news.
    pub fn set(&mut self, key: ListenerKey, host: &Host, uses: Arc<[PortUse]>) -> bool {
        let place = (key, host.clone());
        let news = self.uses.get(&place) != Some(&uses);
        if news {
            self.uses.insert(place, uses);
        }
        news
    }

    /// Notes that a host needs nothing of a port any more.
    pub fn remove(&mut self, key: &ListenerKey, host: &Host) {
        self.uses.remove(&(key.clone(), host.clone()));
    }

    /// Notes who came too late at a port.
    pub fn set_lost(&mut self, key: &ListenerKey, lost: BTreeSet<ObjectRef>) {
        match lost.is_empty() {
            true => self.lost.remove(key),
            false => self.lost.insert(key.clone(), lost),
        };
    }

    /// Services that take no connections on a port because an older one without address of its own does.
    pub fn lost(&self) -> impl Iterator<Item = (&ListenerKey, &ObjectRef)> {
        self.lost.iter().flat_map(|(key, objects)| objects.iter().map(move |object| (key, object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_the_uses_of_its_hosts_and_no_others() {
        let key = |port| ListenerKey::Port { address: [0, 0, 0, 0].into(), port };
        let mut ports = Ports::default();
        for (port, host) in [(80, "*"), (80, "a.b"), (81, "a.b")] {
            assert!(ports.set(key(port), &Host::new(host), Arc::new([])));
            assert!(!ports.set(key(port), &Host::new(host), Arc::new([])));
        }
        assert_eq!(ports.keys(), [key(80), key(81)].into());
        ports.remove(&key(81), &Host::new("a.b"));
        assert_eq!(ports.keys(), [key(80)].into());
        assert_eq!(ports.of(&key(80)).count(), 0);
    }
}
