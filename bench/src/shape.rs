//! The mesh that is measured: how much of everything, and what each thing is called.
//!
//! In: counts. Out: names and addresses, so that the files, the proxies and the edits speak of the same things. Knows
//! neither YAML nor xDS.

use std::net::Ipv4Addr;

/// How big a mesh is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Services, each with a port.
    pub services: usize,
    /// Pods of each service: the first is `v1`, the second `v2`, the third `v1` again.
    pub pods: usize,
    /// Namespaces, over which services are dealt.
    pub namespaces: usize,
    /// VirtualServices, and as many DestinationRules with subsets: the first services of each namespace have them.
    pub routed: usize,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1 on port 80 or 8080.
    Http,
    /// gRPC on port 9090.
    Grpc,
    /// Bytes on port 5432.
    Tcp,
}

impl Shape {
    /// A mesh of that many services with the proportions of the reference mesh: 1,000 services with two pods each in 20
    /// namespaces, every fifth with a VirtualService and a DestinationRule.
    pub fn of(services: usize) -> Self {
        Self { services, pods: 2, namespaces: 20.min(services), routed: services / 5 }
    }

    /// How many pods, and so proxies, there are.
    pub fn proxies(&self) -> usize {
        self.services * self.pods
    }

    /// All services.
    pub fn services(self) -> impl Iterator<Item = Service> {
        (0..self.services).map(move |index| self.service(index))
    }

    /// The service at a position.
    pub fn service(&self, index: usize) -> Service {
        let Self { services: _, pods, namespaces, routed } = *self;
        // One in 19 is TCP and one in 19 gRPC, in all namespaces, but only of those that no VirtualService routes.
        let speaks = match index % 19 {
            _ if index < routed => Speaks::Http,
            17 => Speaks::Grpc,
            18 => Speaks::Tcp,
            _ => Speaks::Http,
        };
        let namespace = format!("team-{:02}", index % namespaces);
        Service { index, pods, name: format!("svc-{index:05}"), namespace, speaks, routed: index < routed }
    }

    /// The service that is edited in a round. Only those with a VirtualService can be edited in every way; a stride that has
    /// no divisor in common with their number visits all of them, and other namespaces each time.
    pub fn edited(&self, round: usize) -> Service {
        self.service(round * 7 % self.routed)
    }

    /// All pods, so that both halves of the list have proxies in every namespace.
    pub fn pods(self) -> impl Iterator<Item = Pod> {
        (0..self.pods)
            .flat_map(move |replica| (0..self.services).map(move |index| self.service(index).pod(replica)))
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its position.
    pub index: usize,
    /// How many pods it has.
    pub pods: usize,
    /// Its name, unique in the mesh.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its protocol.
    pub speaks: Speaks,
    /// Whether it has a VirtualService and a DestinationRule.
    pub routed: bool,
}

impl Service {
    /// The full name that clients use.
    pub fn host(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.name, self.namespace)
    }

    /// Its cluster IP.
    pub fn address(&self) -> Ipv4Addr {
        address(96, self.index)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        match self.speaks {
            Speaks::Http if self.index.is_multiple_of(3) => 8080,
            Speaks::Http => 80,
            Speaks::Grpc => 9090,
            Speaks::Tcp => 5432,
        }
    }

    /// The port's name, which tells the protocol.
    pub fn port_name(&self) -> &'static str {
        match self.speaks {
            Speaks::Http => "http-web",
            Speaks::Grpc => "grpc-api",
            Speaks::Tcp => "tcp-db",
        }
    }

    /// One of its pods.
    pub fn pod(&self, replica: usize) -> Pod {
        let number = self.index * self.pods + replica;
        Pod {
            name: format!("{}-6f7d8{}-x{replica}", self.name, replica % 2),
            namespace: self.namespace.clone(),
            app: self.name.clone(),
            version: if replica.is_multiple_of(2) { "v1" } else { "v2" },
            address: address(128, number),
            node: number % NODES,
        }
    }
}

/// Nodes of the cluster, dealt over three zones.
pub const NODES: usize = 12;

/// A node's name, its zone, and the region.
pub fn node(number: usize) -> (String, &'static str, &'static str) {
    let zone = ["west-1a", "west-1b", "west-1c"][number % 3];
    (format!("node-{number:02}"), zone, "west-1")
}

/// A pod, with a proxy beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The service it belongs to: label `app` and service account.
    pub app: String,
    /// Label `version`.
    pub version: &'static str,
    /// Its address.
    pub address: Ipv4Addr,
    /// The number of its node.
    pub node: usize,
}

/// The address at a position in `10.first.0.0` and up; skips those that end in 0 or 255.
fn address(first: usize, index: usize) -> Ipv4Addr {
    let octet = |value: usize| u8::try_from(value % 256).unwrap_or_default();
    Ipv4Addr::new(10, octet(first + index / (254 * 256)), octet(index / 254), octet(index % 254 + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_addresses_are_unique() {
        let shape = Shape::of(10_000);
        let pods: BTreeSet<_> = shape.pods().map(|pod| pod.name).collect();
        let addresses: BTreeSet<_> = shape
            .pods()
            .map(|pod| pod.address)
            .chain(shape.services().map(|service| service.address()))
            .collect();
        assert_eq!(pods.len(), 20_000);
        assert_eq!(addresses.len(), 30_000);
    }

    #[test]
    fn the_reference_mesh_is_what_it_is_said_to_be() {
        let shape = Shape::of(1000);
        assert_eq!((shape.proxies(), shape.namespaces, shape.routed), (2000, 20, 200));
        let namespaces: BTreeSet<_> = shape.services().map(|service| service.namespace).collect();
        assert_eq!(namespaces.len(), 20);
        let tcp = shape.services().filter(|service| service.speaks == Speaks::Tcp).count();
        assert_eq!(tcp, 42);
        assert!(
            shape.services().filter(|service| service.routed).all(|service| service.speaks == Speaks::Http)
        );
    }
}
