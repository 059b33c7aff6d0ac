//! How far proxies have got with the resources of an object, for statuses.
//!
//! In: what is published, who has acknowledged what, what was refused. Out: counts by object. It looks at every resource of every scope
//! in use, from shared snapshots and off every lock: nothing is kept for it while nobody asks.

use crate::{Audience, Publisher};
use mesh_model::{Kind, Mesh, NamespacedName, ObjectRef, Problem, Str};
use pilot_status::{Progress, Reached, Since};
use pilot_xds::{
    rejections::{Rejection, Rejections},
    resource::ResourceType,
    server::Handles,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Proxies that are mentioned by name as being waited for.
const NAMED: usize = 4;

/// What connected proxies have.
pub struct Proxies {
    publisher: Publisher,
    xds: Handles,
}

impl Proxies {
    /// Of this publisher and server.
    pub fn new(publisher: Publisher, xds: Handles) -> Self {
        Self { publisher, xds }
    }
}

impl Progress for Proxies {
    fn sequence(&self) -> u64 {
        let [sequence, ..] = self.publisher.epoch();
        sequence
    }

    fn epoch(&self) -> [u64; 4] {
        let [sequence, attached, there] = self.publisher.epoch();
        [sequence, attached, there, 0]
    }

    fn refusals(&self) -> u64 {
        *self.xds.rejections.changes().borrow()
    }

    fn rejected(&self) -> BTreeSet<Str> {
        let rejections = self.xds.rejections.report();
        rejections.iter().flat_map(|rejection| rejection.origins.iter().cloned()).collect()
    }

    fn conflicts(&self) -> BTreeMap<ObjectRef, Vec<Problem>> {
        self.publisher.conflicts()
    }

    fn reached(&self, objects: &BTreeMap<ObjectRef, Since>) -> BTreeMap<ObjectRef, Reached> {
        if objects.is_empty() {
            return BTreeMap::new();
        }
        let (mesh, audiences) = self.publisher.audience();
        let wanted = Wanted::new(objects, &mesh);
        let acknowledged = self.acknowledged();
        // Read after the acknowledgements: a proxy that has got past a refusal has it noted before.
        let rejections = self.xds.rejections.report();
        let mut found: BTreeMap<ObjectRef, Reached> =
            objects.keys().map(|object| (object.clone(), Reached::default())).collect();
        // Most audiences share their first layer with others: it is read once.
        let mut read: HashMap<u64, HashSet<&ObjectRef>> = HashMap::new();
        for audience in &audiences {
            let mut concerned: BTreeSet<&ObjectRef> = BTreeSet::new();
            for layer in &audience.snapshot.layers {
                let of_layer = read.entry(layer.id()).or_insert_with(|| wanted.origins_in(layer));
                concerned.extend(of_layer.iter().copied());
            }
            concerned.extend(wanted.sidecar(audience));
            for object in concerned {
                let (Some(reached), Some(since)) = (found.get_mut(object), objects.get(object)) else {
                    continue;
                };
                count(reached, audience, since.sequence, &acknowledged);
                for rejection in &rejections {
                    refuse(reached, audience, rejection, wanted.key(object));
                }
            }
        }
        found
    }
}

impl Proxies {
    /// How far each proxy is, by name. A proxy that has reconnected is as far as its newest stream.
    fn acknowledged(&self) -> HashMap<Str, u64> {
        // In order of connection: the last one stays.
        self.xds.sync.list().into_iter().map(|status| (status.proxy, status.acked_sequence)).collect()
    }
}

/// Forgets what was refused and is not published any more.
pub(crate) fn forget_outdated(publisher: &Publisher, rejections: &Rejections) {
    if rejections.is_empty() {
        return;
    }
    let (_, audiences) = publisher.audience();
    rejections.retain_current(|rejection| {
        audiences.iter().any(|audience| {
            let meant = audience.snapshot.get(rejection.kind, &rejection.name);
            meant.is_some_and(|resource| *resource.version() == rejection.version)
        })
    });
}

/// Counts the proxies of an audience that an object concerns since a publication.
fn count(reached: &mut Reached, audience: &Audience, since: u64, acknowledged: &HashMap<Str, u64>) {
    for (proxy, sequence) in &audience.proxies {
        reached.total += 1;
        // What it was given before the publication and has acknowledged is as it should be; so is anything newer.
        if acknowledged.get(proxy).is_some_and(|has| has >= sequence || *has >= since) {
            reached.acknowledged += 1;
        } else if reached.waiting.len() < NAMED {
            reached.waiting.insert(proxy.clone());
        }
    }
}

/// Takes proxies that refuse a resource of the object, in the version that they are meant to have, out of the count.
fn refuse(reached: &mut Reached, audience: &Audience, rejection: &Rejection, key: Option<&Str>) {
    let of_object = key.is_some_and(|key| rejection.origins.contains(key));
    let meant = || audience.snapshot.get(rejection.kind, &rejection.name);
    if !of_object || meant().is_none_or(|resource| *resource.version() != rejection.version) {
        return;
    }
    for (proxy, _) in &audience.proxies {
        if rejection.proxies.contains(proxy) && !reached.rejected.contains_key(proxy) {
            reached.rejected.insert(proxy.clone(), rejection.message.clone());
            // What it has instead it has acknowledged.
            if !reached.waiting.remove(proxy) {
                reached.acknowledged = reached.acknowledged.saturating_sub(1);
            }
        }
    }
}

/// The objects asked for, by what shows that a resource is theirs.
struct Wanted<'a> {
    by_key: HashMap<Str, &'a ObjectRef>,
    keys: BTreeMap<&'a ObjectRef, Str>,
    sidecars: BTreeMap<&'a NamespacedName, &'a ObjectRef>,
    /// WorkloadEntries by the hosts whose endpoints they are: load assignments name no origins.
    endpoints_of: HashMap<Str, Vec<&'a ObjectRef>>,
}

impl<'a> Wanted<'a> {
    fn new(objects: &'a BTreeMap<ObjectRef, Since>, mesh: &Mesh) -> Self {
        let keys: BTreeMap<&ObjectRef, Str> =
            objects.keys().map(|object| (object, object.to_string().into())).collect();
        let by_key = keys.iter().map(|(object, key)| (key.clone(), *object)).collect();
        let of_kind = |kind| objects.keys().filter(move |object| object.kind == kind);
        let sidecars = of_kind(Kind::Sidecar).map(|object| (&object.name, object)).collect();
        let entries: HashMap<(&str, &str), &ObjectRef> = of_kind(Kind::WorkloadEntry)
            .map(|object| ((&*object.name.namespace, &*object.name.name), object))
            .collect();
        let mut endpoints_of: HashMap<Str, Vec<&ObjectRef>> = HashMap::new();
        if !entries.is_empty() {
            for service in mesh.services() {
                let endpoints = mesh.endpoints(service).into_iter().flat_map(|of| of.ports.values());
                for endpoint in endpoints.flat_map(|endpoints| endpoints.iter()) {
                    if let Some(object) = entries.get(&(&*endpoint.namespace, &*endpoint.workload)) {
                        endpoints_of.entry(service.host.as_str().into()).or_default().push(object);
                    }
                }
            }
        }
        Self { by_key, keys, sidecars, endpoints_of }
    }

    fn key(&self, object: &ObjectRef) -> Option<&Str> {
        self.keys.get(object)
    }

    fn sidecar(&self, audience: &Audience) -> Option<&'a ObjectRef> {
        self.sidecars.get(audience.sidecar.as_ref()?).copied()
    }

    /// The objects that a resource of the layer was made from.
    fn origins_in(&self, layer: &pilot_xds::layer::Layer) -> HashSet<&'a ObjectRef> {
        let mut found = HashSet::new();
        for kind in ResourceType::ALL {
            for resource in layer.resources(kind).values() {
                let origins = resource.origins().iter();
                found.extend(origins.filter_map(|origin| self.by_key.get(origin)));
            }
        }
        if !self.endpoints_of.is_empty() {
            for name in layer.resources(ResourceType::Endpoints).keys() {
                // `outbound|80||host`
                let host = name.rsplit('|').next().unwrap_or_default();
                found.extend(self.endpoints_of.get(host).into_iter().flatten().copied());
            }
        }
        found
    }
}
