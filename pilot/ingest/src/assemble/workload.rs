//! What pods, WorkloadEntries and replicas are as workloads.
//!
//! In: an object's name, and everything known. Out: the workload, joined with its node, or with its addresses on this machine.

use super::Ingest;
use crate::{
    endpoints::pod_port,
    joins::selects,
    kinds::{Model, Node, Pod, Template, endpoint_accepts_mtls, has_sidecar, parse_locality_label},
    local::Replica,
};
use mesh_model::{
    EndpointAddress, Health, Kind, LocalPort, LocalWorkload, Mesh, NETWORK_LABEL, ObjectRef, Probe,
    ProbeCheck, Protocol, Str, Workload,
};
use std::collections::{BTreeMap, BTreeSet};

impl Ingest {
    /// What `object` is as a workload.
    pub(super) fn workload(&self, object: &ObjectRef, mesh: &Mesh) -> Option<Workload> {
        match self.store.model(object) {
            Some(Model::Pod(pod)) => Some(self.of_pod(pod, mesh)),
            Some(Model::WorkloadEntry(entry)) => Some(Workload {
                object: object.clone(),
                addresses: match entry.endpoint.address {
                    EndpointAddress::Ip(address) => vec![address],
                    EndpointAddress::Name(_) | EndpointAddress::Unix(_) | EndpointAddress::BehindGateway => {
                        Vec::new()
                    }
                },
                labels: entry.endpoint.labels.clone(),
                service_account: entry.endpoint.service_account.clone(),
                locality: entry.endpoint.locality.clone(),
                network: entry.endpoint.network_in(mesh.config(), true),
                node: Str::default(),
                named_ports: entry
                    .endpoint
                    .ports
                    .iter()
                    .map(|(name, number)| (name.clone(), *number))
                    .collect(),
                ready: entry.endpoint.health == Health::Healthy,
                mtls: endpoint_accepts_mtls(&entry.endpoint.labels, &entry.endpoint.service_account),
                local: None,
            }),
            _ => self.joins.replica(object).and_then(|replica| self.of_replica(object, replica, mesh)),
        }
    }

    fn of_pod(&self, pod: &Pod, mesh: &Mesh) -> Workload {
        let Pod {
            metadata,
            addresses,
            labels,
            service_account,
            node,
            named_ports,
            ready,
            locality,
            network,
            mtls,
        } = pod;
        let of_node = || match self.store.model(&ObjectRef::new(Kind::Node, "", node.clone())) {
            Some(Model::Node(node)) => {
                let Node { locality } = &**node;
                locality.clone()
            }
            _ => Default::default(),
        };
        Workload {
            object: metadata.object.clone(),
            addresses: addresses.clone(),
            labels: labels.clone(),
            service_account: service_account.clone(),
            locality: locality.clone().unwrap_or_else(of_node),
            network: mesh.config().network_of(network, addresses.first().copied(), true),
            node: node.clone(),
            named_ports: named_ports.clone(),
            ready: *ready,
            mtls: *mtls,
            local: None,
        }
    }

    fn of_replica(&self, object: &ObjectRef, replica: &Replica, mesh: &Mesh) -> Option<Workload> {
        let (address, application) = self.local.addresses(&object.name)?;
        let labels = &replica.template.labels;
        let said = labels.get(NETWORK_LABEL).cloned().unwrap_or_default();
        let mut workload = Workload {
            object: object.clone(),
            addresses: vec![address],
            labels: labels.clone(),
            service_account: replica.template.service_account.clone(),
            locality: parse_locality_label(labels).unwrap_or_default(),
            network: mesh.config().network_of(&said, Some(address), true),
            node: Str::default(),
            named_ports: replica.template.named_ports.clone(),
            ready: self.ready.as_ref().is_none_or(|ready| ready.contains(&object.name)),
            mtls: has_sidecar(labels),
            local: None,
        };
        let Template { labels: _, service_account: _, named_ports: _, ports, probes } = &replica.template;
        let ports = self.served_ports(&workload, ports, probes);
        workload.local = Some(LocalWorkload { application, ports, probes: probes.clone() });
        Some(workload)
    }

    /// The ports that Services lead to, those that its containers declare, and those that are asked whether it is ready: what it serves is not to depend on who may call it.
    /// Services are looked at in order of their names, so the first one's word counts.
    fn served_ports(&self, workload: &Workload, declared: &[LocalPort], probes: &[Probe]) -> Vec<LocalPort> {
        let mut ports: BTreeMap<u16, LocalPort> = BTreeMap::new();
        let definers: BTreeSet<_> =
            self.joins.selecting(&workload.object.name.namespace, &workload.labels).collect();
        for definer in definers {
            let Some(Model::Service(definition)) = self.store.model(definer) else { continue };
            let service = &definition.service;
            if !service.selector.as_ref().is_some_and(|wanted| selects(wanted, &workload.labels)) {
                continue;
            }
            for port in &service.ports {
                if let Some(number) = pod_port(workload, port) {
                    ports.entry(number).or_insert(LocalPort { number, protocol: port.protocol });
                }
            }
        }
        for port in declared {
            ports.entry(port.number).or_insert_with(|| port.clone());
        }
        for Probe { check, .. } in probes {
            let (number, protocol) = match check {
                ProbeCheck::HttpGet { port, tls: false, .. } => (*port, Protocol::Http),
                ProbeCheck::Grpc { port, .. } => (*port, Protocol::Grpc),
                // An echo workload has no certificate.
                ProbeCheck::HttpGet { port, .. } | ProbeCheck::TcpSocket { port } => (*port, Protocol::Tcp),
            };
            ports.entry(number).or_insert(LocalPort { number, protocol });
        }
        ports.into_values().collect()
    }
}
