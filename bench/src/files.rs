//! Writes the mesh as the YAML that users have, and edits it as they do.
//!
//! In: a shape and a directory. Out: a folder a namespace; what is edited has a file of its own, so that an edit rewrites
//! a small file, whole, by renaming a new one over it. Knows nothing of what a control plane makes of it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shape::{NODES, Pod, Service, Shape, node};

/// A mesh on disk.
#[derive(Debug)]
pub struct MeshFiles {
    root: PathBuf,
    shape: Shape,
}

impl MeshFiles {
    /// Writes the whole mesh below `root`.
    pub fn write(root: &Path, shape: Shape) -> Result<Self> {
        let files = Self { root: root.to_owned(), shape };
        let mut namespaces = vec![String::new(); shape.namespaces];
        for service in shape.services() {
            let folder = files.folder(&service);
            fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
            let body = &mut namespaces[service.index % shape.namespaces];
            body.push_str(&service_yaml(&service));
            for replica in 0..service.pods {
                body.push_str(&pod_yaml(&service, &service.pod(replica)));
            }
            files.set_endpoints(&service, 0)?;
            if service.routed {
                files.set_weight(&service, 10)?;
                replace(
                    &folder.join(format!("{}.rule.yaml", service.name)),
                    &destination_rule_yaml(&service),
                )?;
            }
        }
        for (index, body) in namespaces.iter().enumerate() {
            let name = format!("team-{index:02}");
            let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n{body}");
            replace(&files.root.join(&name).join("workloads.yaml"), &namespace)?;
        }
        replace(&files.root.join("nodes.yaml"), &(0..NODES).map(node_yaml).collect::<String>())?;
        Ok(files)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Rewrites the EndpointSlice of a service and returns its path. Each `generation` has other endpoints: the last pod
    /// comes and goes.
    pub fn set_endpoints(&self, service: &Service, generation: usize) -> Result<PathBuf> {
        let ready = |replica: usize| replica + 1 < service.pods || generation.is_multiple_of(2);
        let path = self.folder(service).join(format!("{}.slice.yaml", service.name));
        replace(&path, &endpoint_slice_yaml(service, ready))?;
        Ok(path)
    }

    /// Rewrites the VirtualService of a service and returns its path: that many per cent go to `v2`.
    pub fn set_weight(&self, service: &Service, per_cent: usize) -> Result<PathBuf> {
        let path = self.folder(service).join(format!("{}.virtual.yaml", service.name));
        replace(&path, &virtual_service_yaml(service, per_cent))?;
        Ok(path)
    }

    fn folder(&self, service: &Service) -> PathBuf {
        self.root.join(&service.namespace)
    }
}

/// Replaces a file as a whole: a reader sees the old one or the new one.
fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text).with_context(|| format!("cannot write {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("cannot replace {}", path.display()))
}

fn service_yaml(service: &Service) -> String {
    let Service { name, namespace, .. } = service;
    format!(
        "---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app: {name}
spec:
  type: ClusterIP
  clusterIP: {address}
  clusterIPs:
  - {address}
  selector:
    app: {name}
  ports:
  - name: {port_name}
    port: {port}
    targetPort: 8000
    protocol: TCP
",
        address = service.address(),
        port_name = service.port_name(),
        port = service.port(),
    )
}

fn pod_yaml(service: &Service, pod: &Pod) -> String {
    let Pod { name, namespace, app, version, address, node: number } = pod;
    let (node, ..) = node(*number);
    format!(
        "---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app: {app}
    version: {version}
    pod-template-hash: 6f7d8{version}
spec:
  nodeName: {node}
  serviceAccountName: {app}
  containers:
  - name: app
    image: example.com/{app}:{version}
    ports:
    - name: {port_name}
      containerPort: 8000
      protocol: TCP
  - name: istio-proxy
    image: example.com/proxy:1
status:
  phase: Running
  podIP: {address}
  podIPs:
  - ip: {address}
  conditions:
  - type: Ready
    status: \"True\"
",
        port_name = service.port_name(),
    )
}

fn endpoint_slice_yaml(service: &Service, ready: impl Fn(usize) -> bool) -> String {
    let Service { name, namespace, .. } = service;
    let mut yaml = format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-abcde
  namespace: {namespace}
  labels:
    kubernetes.io/service-name: {name}
    endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
addressType: IPv4
ports:
- name: {port_name}
  port: 8000
  protocol: TCP
endpoints:
",
        port_name = service.port_name(),
    );
    for replica in 0..service.pods {
        let pod = service.pod(replica);
        let (node, zone, _) = node(pod.node);
        // Writing to a String cannot fail.
        let _ = write!(
            yaml,
            "- addresses:
  - {address}
  conditions:
    ready: {ready}
    serving: {ready}
    terminating: false
  nodeName: {node}
  zone: {zone}
  targetRef:
    kind: Pod
    name: {pod}
    namespace: {namespace}
",
            address = pod.address,
            ready = ready(replica),
            pod = pod.name,
        );
    }
    yaml
}

fn virtual_service_yaml(service: &Service, per_cent: usize) -> String {
    let Service { name, namespace, .. } = service;
    let host = service.host();
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
  namespace: {namespace}
spec:
  hosts:
  - {name}
  http:
  - match:
    - headers:
        x-canary:
          exact: \"true\"
    route:
    - destination:
        host: {host}
        subset: v2
  - route:
    - destination:
        host: {host}
        subset: v1
      weight: {rest}
    - destination:
        host: {host}
        subset: v2
      weight: {per_cent}
    timeout: 5s
    retries:
      attempts: 3
      perTryTimeout: 2s
      retryOn: connect-failure,refused-stream,503
",
        rest = 100 - per_cent,
    )
}

fn destination_rule_yaml(service: &Service) -> String {
    let Service { name, namespace, .. } = service;
    let host = service.host();
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: {name}
  namespace: {namespace}
spec:
  host: {host}
  trafficPolicy:
    loadBalancer:
      simple: LEAST_REQUEST
    connectionPool:
      tcp:
        maxConnections: 200
      http:
        http1MaxPendingRequests: 100
        maxRequestsPerConnection: 1000
    outlierDetection:
      consecutive5xxErrors: 5
      interval: 10s
      baseEjectionTime: 30s
  subsets:
  - name: v1
    labels:
      version: v1
  - name: v2
    labels:
      version: v2
"
    )
}

fn node_yaml(number: usize) -> String {
    let (name, zone, region) = node(number);
    format!(
        "---
apiVersion: v1
kind: Node
metadata:
  name: {name}
  labels:
    topology.kubernetes.io/region: {region}
    topology.kubernetes.io/zone: {zone}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_leaves_one_file_that_says_something_else() {
        let directory = tempfile::tempdir().unwrap();
        let files = MeshFiles::write(directory.path(), Shape::of(40)).unwrap();
        let service = files.shape().service(0);
        let read = || {
            let mut names: Vec<_> = fs::read_dir(files.folder(&service))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            (names, fs::read_to_string(files.folder(&service).join("svc-00000.slice.yaml")).unwrap())
        };
        let (names, before) = read();
        files.set_endpoints(&service, 1).unwrap();
        let (same_names, after) = read();
        assert_eq!(names, same_names);
        assert!(before.contains("ready: true") && !before.contains("ready: false"));
        assert_eq!(after.matches("ready: false").count(), 1);
    }
}
