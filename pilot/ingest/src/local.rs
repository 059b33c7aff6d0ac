//! Workloads and addresses of a mesh without a cluster.
//!
//! In: Deployments (and Pods without address) from files, Services without cluster IP. Out: a workload for each replica with
//! two loopback addresses, and an address for each Service. Both follow from the names alone.

use crate::{
    allocate::Allocation,
    kinds::{Deployment, Template},
};
use mesh_model::{Kind, NamespacedName, ObjectRef};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// `127.64.0.0/10`, last octets 1 to 254: away from what people use by hand and from what looks like a network's own address.
const LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 0);
const LOOPBACK_SLOTS: u32 = (1 << 14) * 254;
/// `240.240.0.0/16`, Istio's range for addresses that it allocates itself.
const VIPS: Ipv4Addr = Ipv4Addr::new(240, 240, 0, 0);
const VIP_SLOTS: u32 = (1 << 8) * 254;

fn address(base: Ipv4Addr, slot: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(base.to_bits() + ((slot / 254) << 8) + 1 + slot % 254))
}

/// Whom a loopback address is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LoopbackKey {
    pod: NamespacedName,
    application: bool,
}

impl fmt::Display for LoopbackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pod, application } = self;
        write!(f, "{pod}/{}", if *application { "application" } else { "pod" })
    }
}

/// A replica of a Deployment.
#[derive(Debug, Clone)]
pub struct Replica {
    /// What it is.
    pub template: Template,
    /// The Deployment that asks for it, for conflicts between Deployments of which the replicas' names meet.
    pub owner: ObjectRef,
}

/// What runs on this machine.
#[derive(Debug)]
pub struct Local {
    loopback: Allocation<LoopbackKey>,
    vips: Allocation<NamespacedName>,
}

impl Default for Local {
    fn default() -> Self {
        Self { loopback: Allocation::new(LOOPBACK_SLOTS), vips: Allocation::new(VIP_SLOTS) }
    }
}

impl Local {
    /// Gives the pod its two addresses. Returns the pods whose addresses changed by that.
    pub fn add_pod(&mut self, pod: &NamespacedName) -> Vec<NamespacedName> {
        let mut moved = Vec::new();
        for application in [false, true] {
            moved.extend(self.loopback.insert(LoopbackKey { pod: pod.clone(), application }));
        }
        moved.into_iter().map(|key| key.pod).collect()
    }

    /// Takes them back.
    pub fn remove_pod(&mut self, pod: &NamespacedName) -> Vec<NamespacedName> {
        let mut moved = Vec::new();
        for application in [false, true] {
            moved.extend(self.loopback.remove(&LoopbackKey { pod: pod.clone(), application }));
        }
        moved.into_iter().map(|key| key.pod).collect()
    }

    /// The pod's address, and that of its application.
    pub fn addresses(&self, pod: &NamespacedName) -> Option<(IpAddr, IpAddr)> {
        let of = |application| {
            let slot = self.loopback.get(&LoopbackKey { pod: pod.clone(), application })?;
            Some(address(LOOPBACK, slot))
        };
        Some((of(false)?, of(true)?))
    }

    /// Gives the Service an address. Returns the Services whose address changed by that.
    pub fn add_service(&mut self, service: NamespacedName) -> Vec<NamespacedName> {
        self.vips.insert(service)
    }

    /// Takes it back.
    pub fn remove_service(&mut self, service: &NamespacedName) -> Vec<NamespacedName> {
        self.vips.remove(service)
    }

    /// The Service's address.
    pub fn vip(&self, service: &NamespacedName) -> Option<IpAddr> {
        self.vips.get(service).map(|slot| address(VIPS, slot))
    }
}

/// The pods of a Deployment.
pub fn replicas(deployment: &Arc<Deployment>) -> Vec<(ObjectRef, Replica)> {
    let Deployment { metadata, replicas, template } = &**deployment;
    let replica = Replica { template: template.clone(), owner: metadata.object.clone() };
    let NamespacedName { namespace, name } = &metadata.object.name;
    match replicas {
        None => vec![(ObjectRef::new(Kind::Pod, namespace.clone(), name.clone()), replica)],
        Some(count) => (0..*count)
            .map(|index| {
                let pod = ObjectRef::new(Kind::Pod, namespace.clone(), format!("{name}-{index}"));
                (pod, replica.clone())
            })
            .collect(),
    }
}
