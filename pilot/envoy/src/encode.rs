//! From a spec to a resource: which message it becomes, under which name, and whose objects it was made from.
//!
//! In: any spec. Out: [`Resource`], encoded. Only [`crate::Memo`] calls this, so that nothing is encoded twice.

use crate::{
    build_cluster, build_endpoints, build_listener, build_name, build_route_configuration, build_secret,
    build_virtual_host,
};
use mesh_model::{ObjectRef, Str};
use pilot_view::spec::{
    ClusterSpec, EndpointsSpec, ListenerSpec, NameSpec, RouteConfigurationSpec, SecretSpec, VirtualHostSpec,
};
use pilot_xds::resource::{Resource, ResourceType};
use prost::Message;
use std::{hash::Hash, sync::Arc};

/// A spec that describes one resource.
pub trait Encode: Hash {
    /// The type of the resource.
    fn kind(&self) -> ResourceType;

    /// The resource, encoded anew. Use [`crate::Memo`] instead.
    fn encode(&self) -> Arc<Resource>;
}

/// Under which key a resource names the object it was made from: `VirtualService shop/reviews`.
pub fn origin_key(object: &ObjectRef) -> Str {
    object.to_string().into()
}

pub(crate) fn origin_keys(origins: &[ObjectRef]) -> Arc<[Str]> {
    origins.iter().map(origin_key).collect()
}

fn resource(kind: ResourceType, name: Str, message: &impl Message, origins: &[ObjectRef]) -> Arc<Resource> {
    Resource::new(kind, name, &message.encode_to_vec(), &[], origin_keys(origins))
}

impl Encode for ClusterSpec {
    fn kind(&self) -> ResourceType {
        ResourceType::Cluster
    }

    fn encode(&self) -> Arc<Resource> {
        resource(self.kind(), self.name.clone(), &build_cluster(self), &self.origins)
    }
}

impl Encode for EndpointsSpec {
    fn kind(&self) -> ResourceType {
        ResourceType::Endpoints
    }

    fn encode(&self) -> Arc<Resource> {
        // Endpoints come from Pods and slices, on which nobody reads a status.
        resource(self.kind(), self.cluster.clone(), &build_endpoints(self), &[])
    }
}

impl Encode for ListenerSpec {
    fn kind(&self) -> ResourceType {
        ResourceType::Listener
    }

    fn encode(&self) -> Arc<Resource> {
        resource(self.kind(), self.name.clone(), &build_listener(self), &self.origins)
    }
}

impl Encode for RouteConfigurationSpec {
    fn kind(&self) -> ResourceType {
        ResourceType::Route
    }

    fn encode(&self) -> Arc<Resource> {
        resource(self.kind(), self.name.clone(), &build_route_configuration(self), &self.origins)
    }
}

impl Encode for VirtualHostSpec {
    fn kind(&self) -> ResourceType {
        ResourceType::VirtualHost
    }

    fn encode(&self) -> Arc<Resource> {
        resource(self.kind(), self.resource_name(), &build_virtual_host(self), &self.origins)
    }
}

impl Encode for NameSpec {
    fn kind(&self) -> ResourceType {
        ResourceType::NameTable
    }

    fn encode(&self) -> Arc<Resource> {
        // No proxy refuses a name.
        resource(self.kind(), self.name.clone(), &build_name(self), &[])
    }
}

impl Encode for SecretSpec {
    fn kind(&self) -> ResourceType {
        ResourceType::Secret
    }

    fn encode(&self) -> Arc<Resource> {
        resource(self.kind(), self.name.clone(), &build_secret(self), &self.origins)
    }
}

/// A shared spec is the spec: it has the same fingerprint.
impl<T: Encode> Encode for Arc<T> {
    fn kind(&self) -> ResourceType {
        T::kind(self)
    }

    fn encode(&self) -> Arc<Resource> {
        T::encode(self)
    }
}
