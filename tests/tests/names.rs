//! Names on streams: what an agent is sent that answers DNS queries, and what it is sent when files change.

use mesh_proto::istio::networking::nds::v1::NameTable;
use mesh_tests::{
    Asker,
    flow::{Connected, OnDemand, TestMesh, valid},
};
use pilot_xds::resource::ResourceType;
use prost::Message as _;

type Outcome = anyhow::Result<()>;

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
";

const DB: &str = "
apiVersion: v1
kind: Service
metadata: {name: db, namespace: default}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: database, namespace: default}
spec: {type: ExternalName, externalName: db.default.svc.cluster.local}
";

/// Endpoints of `service`.
fn slice(service: &str, port: &str, hosts: &[(&str, &str)]) -> String {
    let endpoints: Vec<_> = hosts
        .iter()
        .map(|(name, address)| {
            format!("{{addresses: [{address}], hostname: {name}, conditions: {{ready: true}}}}")
        })
        .collect();
    format!(
        "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {service}-1, namespace: default, labels: {{kubernetes.io/service-name: {service}}}}}
addressType: IPv4
ports: [{port}]
endpoints: [{}]
",
        endpoints.join(", ")
    )
}

async fn start() -> anyhow::Result<TestMesh> {
    let pods = slice("db", "{name: tcp, port: 5432}", &[("db-0", "10.1.0.1"), ("db-1", "10.1.0.2")]);
    TestMesh::start(&[("web.yaml", WEB), ("db.yaml", DB), ("pods.yaml", &pods)]).await
}

fn asker(namespace: &str, delta_nds: bool) -> Asker {
    Asker { dns_capture: true, delta_nds, ..Asker::new(namespace, "client") }
}

async fn names(mesh: &TestMesh, asker: &Asker) -> anyhow::Result<Connected<OnDemand>> {
    let client = OnDemand::new(asker.node(), ResourceType::NameTable, &[]);
    mesh.connect(asker, client, valid()).await
}

fn table(resource: &pilot_xds::wire::Resource) -> anyhow::Result<NameTable> {
    let any = resource.resource.as_ref().ok_or_else(|| anyhow::anyhow!("{} is empty", resource.name))?;
    Ok(NameTable::decode(any.value.as_ref())?)
}

#[tokio::test]
async fn an_agent_that_takes_names_one_by_one_is_sent_those_that_change() -> Outcome {
    let mesh = start().await?;
    let proxy = names(&mesh, &asker("default", true)).await?;
    let all = |client: &OnDemand| client.got.iter().map(|resource| resource.name.clone()).collect::<Vec<_>>();
    let mut first = proxy.look(all);
    first.sort();
    let local = |name: &str| format!("{name}.default.svc.cluster.local");
    assert_eq!(first, ["database", "db-0.db", "db-1.db", "db", "web"].map(local));

    // A pod is replaced: its own name, that of its service, and the other name of this.
    let count = first.len();
    mesh.edit(
        "pods.yaml",
        &slice("db", "{name: tcp, port: 5432}", &[("db-0", "10.1.0.1"), ("db-2", "10.1.0.3")]),
    )
    .await?;
    proxy.settle(&mesh).await?;
    let mut changed = proxy.look(|client| all(client).split_off(count));
    changed.sort();
    assert_eq!(changed, ["database", "db-2.db", "db"].map(local));
    assert_eq!(proxy.look(|client| client.removed.clone()), [local("db-1.db")]);

    // Endpoints behind an address of the service's own change no name.
    mesh.edit("web-1.yaml", &slice("web", "{name: http, port: 8080}", &[("web-0", "10.1.0.9")])).await?;
    proxy.settle(&mesh).await?;
    assert_eq!(proxy.look(|client| client.got.len()), count + 3);
    Ok(())
}

#[tokio::test]
async fn a_name_goes_with_a_service_that_had_nothing_else() -> Outcome {
    let udp = "
apiVersion: v1
kind: Service
metadata: {name: clock, namespace: default}
spec: {clusterIP: 10.0.0.5, selector: {app: clock}, ports: [{name: ntp, port: 123, protocol: UDP}]}
";
    // By which everything is derived again.
    let sidecar = "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: some, namespace: default}
spec: {workloadSelector: {labels: {app: some}}, egress: [{hosts: ['./*']}]}
";
    let mesh = TestMesh::start(&[("clock.yaml", udp)]).await?;
    let proxy = names(&mesh, &asker("default", true)).await?;
    assert_eq!(proxy.look(|client| client.got.len()), 1);
    mesh.edit("clock.yaml", sidecar).await?;
    proxy.settle(&mesh).await?;
    assert_eq!(proxy.look(|client| client.removed.clone()), ["clock.default.svc.cluster.local"]);
    Ok(())
}

#[tokio::test]
async fn any_other_agent_is_sent_a_table_of_all_when_it_changes() -> Outcome {
    let mesh = start().await?;
    let here = names(&mesh, &asker("default", false)).await?;
    let there = names(&mesh, &asker("elsewhere", false)).await?;
    let first = here.look(|client| client.got.clone());
    assert_eq!(first.len(), 1);
    assert_eq!(table(&first[0])?.table.len(), 5);
    assert_eq!(there.look(|client| client.got.clone()), first, "all namespaces know the same names");

    mesh.edit("web.yaml", &WEB.replace("10.0.0.1", "10.0.0.7")).await?;
    here.settle(&mesh).await?;
    let second = here.look(|client| client.got.clone());
    assert_eq!(second.len(), 2);
    assert_eq!(table(&second[1])?.table["web.default.svc.cluster.local"].ips, ["10.0.0.7"]);

    mesh.edit("web-1.yaml", &slice("web", "{name: http, port: 8080}", &[("web-0", "10.1.0.9")])).await?;
    here.settle(&mesh).await?;
    assert_eq!(here.look(|client| client.got.len()), 2, "nothing changed in the table");
    Ok(())
}

#[tokio::test]
async fn nobody_else_has_names() -> Outcome {
    let mesh = start().await?;
    let proxy = names(&mesh, &Asker { delta_nds: true, ..Asker::default() }).await?;
    assert_eq!(proxy.look(|client| client.got.len()), 0);
    Ok(())
}
