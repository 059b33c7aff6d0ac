//! In: the mesh and what runs of it. Out: commands worth trying, with names that exist here.

use meltemi_local::directory::{self, Entry};
use mesh_model::{Host, Mesh, Protocol, Registry, Service};

/// So many calls are enough to get the idea.
const CALLS: usize = 3;

/// How this program was called: with its path, where a shell needs it again.
pub fn program() -> String {
    std::env::args().next().filter(|path| path.contains('/')).unwrap_or_else(|| "meltemi".to_owned())
}

/// What to try, with `program`. `options` is what each command needs to find this control plane; empty where the default will do.
pub fn hints(mesh: &Mesh, entries: &[Entry], program: &str, options: &str) -> Vec<String> {
    let targets = targets(mesh);
    // Somebody whom nobody else calls is the likely way in.
    let is_target = |entry: &Entry| targets.iter().any(|service| selects(service, entry));
    let Some(from) = entries.iter().find(|entry| !is_target(entry)).or(entries.first()) else {
        return Vec::new();
    };
    let caller = name_of(from, entries);
    let call = |service: &&Service| {
        let url = url(service, &from.identity.namespace)?;
        Some(format!("{program} call {caller} {url} -n 100{options}"))
    };
    let mut hints: Vec<String> = targets.iter().filter_map(call).take(CALLS).collect();
    let proxy = format!("{}.{}", from.identity.pod, from.identity.namespace);
    hints.push(format!("{program} proxy config {proxy} routes{options}"));
    hints
}

/// The services that VirtualServices are about come first: with them there is something to see.
fn targets(mesh: &Mesh) -> Vec<&Service> {
    let routed = mesh.virtual_services().flat_map(|virtual_service| virtual_service.hosts.iter());
    let mut targets: Vec<&Service> =
        routed.flat_map(|host| mesh.services_of_host(host)).map(|service| &**service).collect();
    if targets.is_empty() {
        targets = mesh.services().map(|service| &**service).collect();
    }
    targets
}

fn selects(service: &Service, entry: &Entry) -> bool {
    *service.namespace() == entry.identity.namespace
        && service.host.as_str().split('.').next() == Some(&*entry.identity.app)
}

/// The shortest name that means this workload and no other.
fn name_of(entry: &Entry, entries: &[Entry]) -> String {
    let identity = &entry.identity;
    for name in [&identity.app, &identity.workload] {
        if directory::find(entries, name)
            .is_ok_and(|found| found.iter().any(|found| found.identity == *identity))
        {
            return name.to_string();
        }
    }
    format!("{}.{}", identity.workload, identity.namespace)
}

fn url(service: &Service, namespace: &str) -> Option<String> {
    let port =
        service.ports.iter().find(|port| port.protocol.is_http() || port.protocol == Protocol::Auto)?;
    if service.host.is_wildcard() {
        return None;
    }
    let host = short(&service.host, service, namespace);
    Some(if port.number == 80 {
        format!("http://{host}/")
    } else {
        format!("http://{host}:{}/", port.number)
    })
}

/// As a program in `namespace` would write it.
fn short(host: &Host, service: &Service, namespace: &str) -> String {
    let name = &service.metadata.object.name;
    match service.registry {
        Registry::External => host.to_string(),
        Registry::Kubernetes if *name.namespace == *namespace => name.name.to_string(),
        Registry::Kubernetes => format!("{}.{}", name.name, name.namespace),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use meltemi_local::{ADMIN_PORT, HTTP_PROXY_PORT, Identity, envoy::SidecarState};
    use pilot_ingest::Settings;

    use super::*;

    fn example(name: &str) -> (std::sync::Arc<Mesh>, Vec<Entry>) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        let (mesh, _) = pilot_ingest::load(&path, Settings::default()).unwrap();
        let entry = |workload: &std::sync::Arc<mesh_model::Workload>| Entry {
            identity: Identity::of(workload),
            pod_address: workload.addresses[0],
            application: workload.local.as_ref().unwrap().application,
            ports: Vec::new(),
            http_proxy: (workload.addresses[0], HTTP_PROXY_PORT).into(),
            admin: (workload.addresses[0], ADMIN_PORT).into(),
            sidecar: SidecarState::Ready,
            spiffe_id: None,
            ready: true,
            error: None,
            requests: 0,
        };
        let entries = mesh.workloads().map(entry).collect();
        (mesh, entries)
    }

    #[test]
    fn the_shop_is_called_from_its_front() {
        let (mesh, entries) = example("shop");
        let expected = [
            "meltemi call frontend http://cart/ -n 100",
            "meltemi call frontend http://catalog/ -n 100",
            "meltemi call frontend http://payments.example.com/ -n 100",
            "meltemi proxy config frontend-0.shop routes",
        ];
        assert_eq!(hints(&mesh, &entries, "meltemi", ""), expected);
    }

    #[test]
    fn who_is_alone_calls_itself() {
        let (mesh, entries) = example("smallest");
        let expected = [
            "meltemi call hello http://hello/ -n 100 --address 127.0.0.1:7",
            "meltemi proxy config hello-0.default routes --address 127.0.0.1:7",
        ];
        assert_eq!(hints(&mesh, &entries, "meltemi", " --address 127.0.0.1:7"), expected);
    }

    #[test]
    fn an_empty_mesh_has_nothing_to_try() {
        assert!(hints(&Mesh::default(), &[], "meltemi", "").is_empty());
    }
}
