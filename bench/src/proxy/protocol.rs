//! What Envoy asks for, and when, on a delta stream.
//!
//! In: responses, as `scan` tells them. Out: requests. The order is Envoy's own: listeners are asked for once all clusters have
//! endpoints, subscriptions that a response leads to go out before its acknowledgement, a reconnect states the versions held.
//! No IO, and no content: what a resource refers to is in the catalog.

use anyhow::{Context as _, Result};
use pilot_xds::wire::Node;

use super::board::Board;
use super::catalog::{Catalog, Kind, NameId, Version};
use super::request::Request;
use super::scan::Visitor;

/// A name that does not exist. A server answers requests of a type in order, so the answer to this one says that it has dealt with
/// all that a reconnect stated, even if nothing had to be sent.
const END_OF_RECONNECT: &str = "end-of-reconnect";

/// How a stream starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With nothing.
    Empty,
    /// With what the proxy has.
    Resumed,
}

/// One proxy.
#[derive(Debug)]
pub struct Proxy {
    node: Node,
    types: [Subscription; Kind::ALL.len()],
    configured: bool,
    ending: Option<NameId>,
    /// The generation of what was watched last and has arrived.
    seen: u64,
}

/// What it knows of one type. Vectors are indexed by the number of the name.
#[derive(Debug, Default)]
struct Subscription {
    active: bool,
    answered: bool,
    held: Vec<Version>,
    /// How many resources refer to the name.
    wanted: Vec<u16>,
    awaited: Vec<bool>,
    awaiting: usize,
    subscribe: Vec<NameId>,
    unsubscribe: Vec<NameId>,
}

fn slot<T: Default + Clone>(values: &mut Vec<T>, name: NameId) -> &mut T {
    let at = name as usize;
    if values.len() <= at {
        values.resize(at + 1, T::default());
    }
    &mut values[at]
}

impl Subscription {
    fn await_answer(&mut self, name: NameId) {
        *slot(&mut self.awaited, name) = true;
        self.awaiting += 1;
    }

    fn answer(&mut self, name: NameId) {
        if std::mem::take(slot(&mut self.awaited, name)) {
            self.awaiting -= 1;
        }
    }

    fn want(&mut self, name: NameId) {
        let count = slot(&mut self.wanted, name);
        *count += 1;
        if *count == 1 {
            self.subscribe.push(name);
            self.await_answer(name);
        }
    }

    fn unwant(&mut self, name: NameId) {
        let count = slot(&mut self.wanted, name);
        *count -= 1;
        if *count == 0 {
            self.answer(name);
            *slot(&mut self.held, name) = 0;
            self.unsubscribe.push(name);
        }
    }

    /// The changes since the last call, without those that cancel each other.
    fn changes(&mut self) -> (Vec<NameId>, Vec<NameId>) {
        let Self { subscribe, unsubscribe, .. } = self;
        let (added, dropped) = (std::mem::take(subscribe), std::mem::take(unsubscribe));
        if added.is_empty() || dropped.is_empty() {
            return (added, dropped);
        }
        let only = |these: &[NameId], those: &[NameId]| {
            these.iter().copied().filter(|name| !those.contains(name)).collect::<Vec<_>>()
        };
        (only(&added, &dropped), only(&dropped, &added))
    }
}

impl Proxy {
    /// A proxy that says this of itself.
    pub fn new(node: Node) -> Self {
        Self { node, types: Default::default(), configured: false, ending: None, seen: 0 }
    }

    /// What it waits for, unless it has everything.
    pub fn lacks(&self) -> Option<String> {
        let waits = Kind::ALL.map(|kind| {
            let Subscription { active, answered, awaiting, .. } = &self.types[kind.index()];
            format!("{kind:?}: active {active}, answered {answered}, {awaiting} names to come")
        });
        let Self { node, ending, .. } = self;
        let begin = if ending.is_some() { " has not finished to reconnect" } else { "" };
        (!self.configured).then(|| format!("{}{begin}: {}", node.id, waits.join("; ")))
    }

    /// The requests at the start of a stream.
    pub fn open(&mut self, start: Start, catalog: &mut Catalog) -> Result<Vec<Request>> {
        self.configured = false;
        if start == Start::Empty {
            self.types = Default::default();
            self.types[Kind::Cluster.index()].active = true;
            return Ok(vec![Request { node: Some(self.node.clone()), ..Request::new(Kind::Cluster) }]);
        }
        let mut requests = Vec::new();
        for kind in Kind::ALL {
            let Subscription { active, held, wanted, .. } = &self.types[kind.index()];
            if *active {
                let node = requests.is_empty().then(|| self.node.clone());
                let held = (0..).zip(held).filter(|(_, version)| **version != 0);
                let initial = held.map(|(name, version)| (name, *version)).collect();
                let names = (0..).zip(wanted).filter(|(_, count)| **count > 0).map(|(name, _)| name);
                let subscribe = if kind.wildcard() { Vec::new() } else { names.collect() };
                requests.push(Request { node, subscribe, initial, ..Request::new(kind) });
            }
        }
        let end = catalog.name(Kind::Endpoints, END_OF_RECONNECT.as_bytes())?;
        self.ending = Some(end);
        requests.push(Request { subscribe: vec![end], ..Request::new(Kind::Endpoints) });
        Ok(requests)
    }

    fn of(&mut self, kind: Kind) -> &mut Subscription {
        &mut self.types[kind.index()]
    }

    /// Subscribes to a type as a whole, or to the names that have come to be wanted.
    fn update(&mut self, kind: Kind, out: &mut Vec<Request>) {
        let subscription = self.of(kind);
        let first = !std::mem::replace(&mut subscription.active, true);
        let (subscribe, unsubscribe) = subscription.changes();
        if subscribe.is_empty() && unsubscribe.is_empty() {
            if !kind.wildcard() {
                subscription.active = !first;
            }
            if !(kind.wildcard() && first) {
                return;
            }
        }
        out.push(Request { subscribe, unsubscribe, ..Request::new(kind) });
    }

    /// What follows from a response of this type being complete.
    fn follow(&mut self, kind: Kind, route_with_virtual_hosts: bool, board: &Board, out: &mut Vec<Request>) {
        let first = !std::mem::replace(&mut self.of(kind).answered, true);
        match kind {
            Kind::Cluster => {
                if first {
                    board.has_clusters();
                }
                self.update(Kind::Endpoints, out);
            }
            Kind::Listener => self.update(Kind::Route, out),
            Kind::Route if route_with_virtual_hosts => self.update(Kind::VirtualHost, out),
            Kind::Endpoints | Kind::Route | Kind::VirtualHost => {}
        }
        if matches!(kind, Kind::Cluster | Kind::Endpoints) && self.of(Kind::Endpoints).awaiting == 0 {
            self.update(Kind::Listener, out);
        }
        let [_, endpoints, listeners, routes, hosts] = &self.types;
        let complete = listeners.answered
            && endpoints.awaiting == 0
            && routes.awaiting == 0
            && (hosts.answered || !hosts.active)
            && self.ending.is_none();
        if complete && !std::mem::replace(&mut self.configured, true) {
            board.is_configured();
        }
    }
}

/// A proxy while it reads.
pub struct Reading<'a> {
    /// The proxy.
    pub proxy: &'a mut Proxy,
    /// Names and versions.
    pub catalog: &'a mut Catalog,
    /// The fleet's notes.
    pub board: &'a Board,
    /// The type of the current response.
    pub kind: &'a mut Option<Kind>,
    /// Whether a route configuration of the current response has its virtual hosts elsewhere.
    pub virtual_hosts: &'a mut bool,
    /// Requests to be sent.
    pub out: &'a mut Vec<Request>,
}

impl Reading<'_> {
    fn current(&self) -> Result<Kind> {
        self.kind.context("a response has resources before its type")
    }

    /// Replaces what is held; follows what it refers to.
    fn hold(&mut self, kind: Kind, name: NameId, version: Version) {
        let old = std::mem::replace(slot(&mut self.proxy.of(kind).held, name), version);
        if old == version {
            return Board::add(&self.board.repeated, u64::from(version != 0));
        }
        let target = match kind {
            Kind::Cluster => Kind::Endpoints,
            Kind::Listener => Kind::Route,
            Kind::Endpoints | Kind::Route | Kind::VirtualHost => return,
        };
        let new = self.catalog.refers(kind, name, version);
        let old = self.catalog.refers(kind, name, old);
        let target = self.proxy.of(target);
        new.iter().flat_map(|refers| &refers.names).for_each(|name| target.want(*name));
        old.iter().flat_map(|refers| &refers.names).for_each(|name| target.unwant(*name));
    }
}

impl Visitor for Reading<'_> {
    fn kind(&mut self, type_url: &[u8]) -> Result<()> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.url().as_bytes() == type_url);
        *self.kind = Some(kind.context("a response is of a type that was not asked for")?);
        Ok(())
    }

    fn wants(&mut self, name: &[u8], version: &[u8]) -> bool {
        self.kind.is_some_and(|kind| self.catalog.is_new(kind, name, version))
    }

    fn resource(&mut self, name: &[u8], version: &[u8], content: Option<&[u8]>) -> Result<()> {
        let kind = self.current()?;
        Board::add(&self.board.resources, 1);
        let name = self.catalog.name(kind, name)?;
        let version = self.catalog.version(version)?;
        if let Some(content) = content {
            self.catalog.learn(kind, name, version, content)?;
        }
        if kind == Kind::Route {
            let refers = self.catalog.refers(kind, name, version);
            *self.virtual_hosts |= refers.is_some_and(|refers| refers.virtual_hosts);
        }
        self.proxy.of(kind).answer(name);
        self.hold(kind, name, version);
        self.board.arrived(kind, name, &mut self.proxy.seen);
        Ok(())
    }

    fn removed(&mut self, name: &[u8]) -> Result<()> {
        let kind = self.current()?;
        let name = self.catalog.name(kind, name)?;
        if kind == Kind::Endpoints && self.proxy.ending == Some(name) {
            self.proxy.ending = None;
            self.proxy.of(kind).unsubscribe.push(name);
            self.proxy.update(kind, self.out);
            return Ok(());
        }
        self.proxy.of(kind).answer(name);
        self.hold(kind, name, 0);
        self.board.arrived(kind, name, &mut self.proxy.seen);
        Ok(())
    }

    fn end(&mut self, nonce: &[u8], length: usize) -> Result<()> {
        let kind = self.current()?;
        Board::add(&self.board.responses, 1);
        Board::add(&self.board.bytes[kind.index()], length as u64);
        let with_virtual_hosts = std::mem::take(self.virtual_hosts);
        self.proxy.follow(kind, with_virtual_hosts, self.board, self.out);
        let nonce = std::str::from_utf8(nonce).context("a nonce is not UTF-8")?.to_owned();
        self.out.push(Request { nonce, ..Request::new(kind) });
        *self.kind = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
