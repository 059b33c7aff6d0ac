//! Names of the labels and annotations that Istio's API gives a meaning to, and of the few Kubernetes ones
//! that a mesh reads.
//!
//! Only names and fixed values: who reads which, and what it does, is said where it is read.

/// Labels of Istio, on Pods, Services, Namespaces and Nodes.
pub mod label {
    /// On a Namespace: whether new Pods get a sidecar ([`INJECTION_ENABLED`](super::value::INJECTION_ENABLED)).
    pub const INJECTION: &str = "istio-injection";
    /// On a Pod: `true` or `false` for this Pod's sidecar.
    pub const INJECT: &str = "sidecar.istio.io/inject";
    /// The control-plane revision that serves the object or the workloads of a namespace.
    pub const REVISION: &str = "istio.io/rev";
    /// On a Pod: whether it takes mutual TLS (`istio`) or not (`disabled`).
    pub const TLS_MODE: &str = "security.istio.io/tlsMode";
    /// The name of a workload's service in telemetry.
    pub const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
    /// The version of a workload's service in telemetry. Default `latest`.
    pub const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";
    /// The name of the workload in telemetry, where the owner's name is not right.
    pub const WORKLOAD_NAME: &str = "service.istio.io/workload-name";
    /// The network of the workload, or of the mesh's system namespace.
    pub const NETWORK: &str = "topology.istio.io/network";
    /// The cluster the workload runs in.
    pub const CLUSTER: &str = "topology.istio.io/cluster";
    /// On a Node: the third part of a locality.
    pub const SUBZONE: &str = "topology.istio.io/subzone";
    /// On a Pod: its locality as `region.zone.subzone`, over what its Node says.
    pub const LOCALITY: &str = "istio-locality";
    /// On a ServiceEntry: whether it gets an address when it has none (`true` or `false`).
    pub const ENABLE_AUTOALLOCATE_IP: &str = "networking.istio.io/enable-autoallocate-ip";
    /// On a Namespace or Pod: how its traffic is captured without a sidecar.
    pub const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
}

/// Annotations of Istio.
pub mod annotation {
    /// On a Service: the namespaces that see it, as in `exportTo`.
    pub const EXPORT_TO: &str = "networking.istio.io/exportTo";
    /// On a Service or ServiceEntry: preference for near endpoints, as in `trafficDistribution`.
    pub const TRAFFIC_DISTRIBUTION: &str = "networking.istio.io/traffic-distribution";
    /// On a Service: service accounts in other trust domains that may serve it, as full identities.
    pub const CANONICAL_SERVICE_ACCOUNTS: &str = "alpha.istio.io/canonical-serviceaccounts";
    /// On a Service: Kubernetes service accounts that may serve it.
    pub const KUBERNETES_SERVICE_ACCOUNTS: &str = "alpha.istio.io/kubernetes-serviceaccounts";
    /// On a Pod: settings of its proxy, over those of the mesh.
    pub const PROXY_CONFIG: &str = "proxy.istio.io/config";
    /// On a Pod: how traffic gets to its proxy.
    pub const INTERCEPTION_MODE: &str = "sidecar.istio.io/interceptionMode";
    /// On a Pod: what injection did to it; its presence says that there is a sidecar.
    pub const SIDECAR_STATUS: &str = "sidecar.istio.io/status";
    /// On a Pod: the control plane its proxy connects to.
    pub const DISCOVERY_ADDRESS: &str = "sidecar.istio.io/discoveryAddress";
    /// On a Pod: port of the sidecar's health checks.
    pub const STATUS_PORT: &str = "status.sidecar.istio.io/port";
    /// On a Pod: ports whose inbound traffic goes to the proxy.
    pub const INCLUDE_INBOUND_PORTS: &str = "traffic.sidecar.istio.io/includeInboundPorts";
    /// On a Pod: ports whose inbound traffic does not go to the proxy.
    pub const EXCLUDE_INBOUND_PORTS: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
    /// On a Pod: ports to which outbound traffic goes to the proxy.
    pub const INCLUDE_OUTBOUND_PORTS: &str = "traffic.sidecar.istio.io/includeOutboundPorts";
    /// On a Pod: ports to which outbound traffic does not go to the proxy.
    pub const EXCLUDE_OUTBOUND_PORTS: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";
    /// On a Pod: ranges to which outbound traffic goes to the proxy.
    pub const INCLUDE_OUTBOUND_IP_RANGES: &str = "traffic.sidecar.istio.io/includeOutboundIPRanges";
    /// On a Pod: ranges to which outbound traffic does not go to the proxy.
    pub const EXCLUDE_OUTBOUND_IP_RANGES: &str = "traffic.sidecar.istio.io/excludeOutboundIPRanges";
    /// On an AuthorizationPolicy: `true` only reports what it would do.
    pub const DRY_RUN: &str = "istio.io/dry-run";
    /// On any object: codes of analysis messages that are not wanted.
    pub const ANALYZE_SUPPRESS: &str = "galley.istio.io/analyze-suppress";
    /// On a WorkloadEntry: the WorkloadGroup it was made from.
    pub const AUTO_REGISTRATION_GROUP: &str = "istio.io/autoRegistrationGroup";
    /// On a WorkloadEntry: the control-plane instance its workload is connected to.
    pub const WORKLOAD_CONTROLLER: &str = "istio.io/workloadController";
    /// On a WorkloadEntry: when its workload connected.
    pub const CONNECTED_AT: &str = "istio.io/connectedAt";
    /// On a WorkloadEntry: when its workload was last seen.
    pub const DISCONNECTED_AT: &str = "istio.io/disconnectedAt";
}

/// Labels of Kubernetes that a mesh reads.
pub mod kubernetes {
    /// The application a workload belongs to; `app` is the older name.
    pub const APP_NAME: &str = "app.kubernetes.io/name";
    /// The older name of [`APP_NAME`].
    pub const APP: &str = "app";
    /// The version of an application; `version` is the older name.
    pub const APP_VERSION: &str = "app.kubernetes.io/version";
    /// The older name of [`APP_VERSION`].
    pub const VERSION: &str = "version";
    /// On a Node: its region.
    pub const REGION: &str = "topology.kubernetes.io/region";
    /// On a Node: its zone.
    pub const ZONE: &str = "topology.kubernetes.io/zone";
    /// On an EndpointSlice: the Service it belongs to.
    pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
    /// On a Namespace: its own name.
    pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
}

/// Fixed values of the labels above.
pub mod value {
    /// Of [`label::INJECTION`](super::label::INJECTION): new Pods get a sidecar.
    pub const INJECTION_ENABLED: &str = "enabled";
    /// Of [`label::INJECTION`](super::label::INJECTION): new Pods get none.
    pub const INJECTION_DISABLED: &str = "disabled";
    /// Of [`label::TLS_MODE`](super::label::TLS_MODE): mutual TLS is taken.
    pub const TLS_MODE_ISTIO: &str = "istio";
    /// Of [`label::TLS_MODE`](super::label::TLS_MODE): only plaintext is taken.
    pub const TLS_MODE_DISABLED: &str = "disabled";
}
