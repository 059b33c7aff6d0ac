//! Addresses for hosts of ServiceEntries that name none: chosen by the leader and written into `status.addresses`, as Istio does it.
//!
//! In: the mesh. Out: writes. What a status says is read back with the object, so an address stays what it is over restarts and
//! changes of leader; only where two hosts came to have the same one, the younger gets another. The writer is a field manager of its own:
//! it and the conditions never touch each other's fields.

use crate::leader::PAUSE;
use futures::StreamExt;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use mesh_model::{Kind, Mesh, Metadata, ObjectRef, Service, Str, Vip};
use pilot_ingest::{kinds::row, served};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// Under which name the API server knows what is written here.
const FIELD_MANAGER: &str = "meltemi-addresses";

/// `240.240.0.0/16` and `2001:2::/48`, Istio's ranges: of the latter only as much as of the former is used.
const V4: Ipv4Addr = Ipv4Addr::new(240, 240, 0, 0);
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0);
/// Neither the first address of a range nor the last.
const SLOTS: u32 = (1 << 16) - 2;

/// Writes at a time, and in a row before a pause.
const AT_ONCE: usize = 4;
const BATCH: usize = 50;
/// After writes that failed again and again.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// All addresses of an object: what its status is to say.
type Addresses = Vec<(Str, IpAddr)>;

/// Gives addresses until dropped, or until ingest ends.
pub(crate) async fn allocate(client: &Client, mut meshes: watch::Receiver<Arc<Mesh>>) {
    let mut resource = None;
    let mut pause = PAUSE;
    let mut written: BTreeMap<ObjectRef, Addresses> = BTreeMap::new();
    loop {
        let mesh = meshes.borrow_and_update().clone();
        let planning = tokio::task::spawn_blocking(move || plan(&mesh)).await;
        let Ok(planned) = planning else { return };
        // What is written shows in the mesh a moment later.
        written.retain(|object, _| planned.contains_key(object));
        let due: Vec<_> =
            planned.into_iter().filter(|(object, all)| written.get(object) != Some(all)).collect();
        if due.is_empty() {
            if meshes.changed().await.is_err() {
                return;
            }
            continue;
        }
        if resource.is_none() {
            resource = served_resource(client).await;
        }
        if let Some(resource) = &resource {
            let writes = due.into_iter().take(BATCH).map(|(object, addresses)| async {
                write(client, resource, &object, &addresses).await.then_some((object, addresses))
            });
            let done: Vec<_> = futures::stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
            let failed = done.iter().any(Option::is_none);
            pause = if failed { (pause * 2).min(LONGEST_PAUSE) } else { PAUSE };
            written.extend(done.into_iter().flatten());
        }
        tokio::time::sleep(pause).await;
    }
}

async fn served_resource(client: &Client) -> Option<ApiResource> {
    match served(client, row(Kind::ServiceEntry)?).await {
        Ok(resource) => resource,
        Err(error) => {
            tracing::debug!(%error, "asking for ServiceEntries");
            None
        }
    }
}

/// Makes one write. Says whether there is nothing more to do about it.
async fn write(client: &Client, resource: &ApiResource, object: &ObjectRef, addresses: &Addresses) -> bool {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &object.name.namespace, resource);
    let listed: Vec<Value> = addresses
        .iter()
        .map(|(host, address)| json!({ "value": address.to_string(), "host": &**host }))
        .collect();
    let body = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": { "name": &*object.name.name, "namespace": &*object.name.namespace },
        "status": { "addresses": listed },
    });
    // Another writer may have given some before it went: the list has one owner.
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&object.name.name, &params, &Patch::Apply(&body)).await {
        Ok(_) => true,
        // It is gone, as the mesh will show.
        Err(kube::Error::Api(status)) if status.code == 404 => true,
        Err(error) => {
            tracing::warn!(%object, %error, "writing the addresses that it was given");
            false
        }
    }
}

/// The objects of which the status has to change, with all addresses that it is to tell: those that are there stay.
fn plan(mesh: &Mesh) -> BTreeMap<ObjectRef, Addresses> {
    let mut wanting: Vec<(&Service, &Vec<IpAddr>)> =
        mesh.services().filter_map(|service| Some((&**service, service.allocated.as_ref()?))).collect();
    wanting.sort_by_key(|(service, _)| (service.metadata.precedence(), &service.host));
    let fixed = mesh.services().flat_map(|service| &service.vips);
    let mut taken: BTreeSet<IpAddr> = fixed
        .filter_map(|vip| match vip {
            Vip::Ip(address) => Some(*address),
            Vip::Range(_) => None,
        })
        .collect();
    // First those that have one, oldest first: they keep it.
    let mut kept: Vec<Vec<IpAddr>> = Vec::with_capacity(wanting.len());
    for (_, allocated) in &wanting {
        kept.push(allocated.iter().copied().filter(|address| taken.insert(*address)).collect());
    }
    let mut objects: BTreeMap<ObjectRef, (Addresses, bool)> = BTreeMap::new();
    for ((service, allocated), mut addresses) in wanting.into_iter().zip(kept) {
        let mut differs = addresses.len() != allocated.len();
        for family in [Family::V4, Family::V6] {
            if addresses.iter().any(|address| family.has(*address)) {
                continue;
            }
            if let Some(address) = family.free(&service.metadata, service.host.as_str(), &taken) {
                taken.insert(address);
                addresses.push(address);
                differs = true;
            }
        }
        let (all, due) = objects.entry(service.metadata.object.clone()).or_default();
        all.extend(addresses.into_iter().map(|address| (service.host.to_shared(), address)));
        *due |= differs;
    }
    objects.into_iter().filter(|(_, (_, due))| *due).map(|(object, (all, _))| (object, all)).collect()
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn has(self, address: IpAddr) -> bool {
        match self {
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }

    fn slot(self, slot: u32) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::from_bits(V4.to_bits() + 1 + slot).into(),
            Family::V6 => Ipv6Addr::from_bits(V6.to_bits() + 1 + u128::from(slot)).into(),
        }
    }

    /// An address that nobody has. It begins to look where the names say, so that an object that is made again usually gets the same;
    /// `None` when all are taken.
    fn free(self, metadata: &Metadata, host: &str, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
        let home = hash(&format!("{}/{host}", metadata.object.name)) % SLOTS;
        (0..SLOTS).map(|step| self.slot((home + step) % SLOTS)).find(|address| !taken.contains(address))
    }
}

/// FNV-1a, spelled out: the standard hasher may change between releases.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilot_ingest::{Context, Ingest, parse_file};

    fn mesh(yaml: &str) -> Arc<Mesh> {
        let mut ingest = Ingest::new(Context::default());
        ingest.apply(vec![parse_file(&"mesh.yaml".into(), yaml.as_bytes(), ingest.context())]);
        ingest.mesh().clone()
    }

    fn entry(name: &str, hosts: &str, created: u8, addresses: &[(&str, &str)]) -> String {
        let listed: Vec<_> =
            addresses.iter().map(|(host, value)| format!("{{host: {host}, value: '{value}'}}")).collect();
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\n\
             metadata: {{name: {name}, namespace: shop, creationTimestamp: '2026-01-0{created}T00:00:00Z'}}\n\
             spec: {{hosts: [{hosts}], ports: [{{number: 80, name: http}}], resolution: DNS}}\n\
             status: {{addresses: [{}]}}\n",
            listed.join(", ")
        )
    }

    fn of(planned: &BTreeMap<ObjectRef, Addresses>, name: &str) -> Vec<String> {
        let object = ObjectRef::new(Kind::ServiceEntry, "shop", name);
        let all = planned.get(&object).into_iter().flatten();
        all.map(|(host, address)| format!("{host} {address}")).collect()
    }

    #[test]
    fn each_host_gets_one_of_each_family_and_keeps_it() {
        let planned = plan(&mesh(&entry("a", "one.test, two.test", 1, &[("two.test", "240.240.7.7")])));
        let given = of(&planned, "a");
        assert_eq!(given.len(), 4, "{given:?}");
        assert!(given.contains(&"two.test 240.240.7.7".to_owned()), "{given:?}");
        let given: Vec<(&str, &str)> = given.iter().filter_map(|text| text.split_once(' ')).collect();
        assert!(plan(&mesh(&entry("a", "one.test, two.test", 1, &given))).is_empty(), "settled");
    }

    #[test]
    fn of_two_with_one_address_the_older_keeps_it() {
        let v6 = ("b.test", "2001:2::5");
        let both = entry("b", "b.test", 2, &[("b.test", "240.240.0.9"), v6])
            + &entry("a", "a.test", 1, &[("a.test", "240.240.0.9"), ("a.test", "2001:2::6")]);
        let planned = plan(&mesh(&both));
        assert!(of(&planned, "a").is_empty());
        let given = of(&planned, "b");
        assert!(given.contains(&"b.test 2001:2::5".to_owned()) && given.len() == 2, "{given:?}");
        assert!(!given.contains(&"b.test 240.240.0.9".to_owned()), "{given:?}");
    }

    #[test]
    fn full_ranges_give_nothing() {
        let taken = (0..SLOTS).map(|slot| Family::V4.slot(slot)).collect();
        let mesh = mesh(&entry("a", "a.test", 1, &[]));
        let service = mesh.services().next().unwrap();
        assert_eq!(Family::V4.free(&service.metadata, "a.test", &taken), None);
        assert_eq!(Family::V4.slot(SLOTS - 1), IpAddr::V4(Ipv4Addr::new(240, 240, 255, 254)));
    }
}
