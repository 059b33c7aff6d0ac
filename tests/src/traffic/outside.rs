//! Workloads that stand outside the mesh: echo workloads without a sidecar, in this process.
//!
//! In: a name and how many of each version. Out: the endpoints of a ServiceEntry, and handles that make one of them fail. They cost
//! next to nothing, so each test has its own and disturbs nobody.

use anyhow::{Context, Result};
use meltemi_local::{
    Identity,
    echo::{self, EchoHandle, EchoSpec},
};
use mesh_model::{LocalPort, Protocol};
use mesh_testkit::ports::Loopback;
use std::{collections::BTreeMap, fmt::Write, net::IpAddr};

/// The port on which they speak HTTP, of either version, and gRPC.
pub const HTTP_PORT: u16 = 8080;
/// The port on which they echo bytes.
pub const TCP_PORT: u16 = 9090;

/// Echo workloads on addresses of their own. Dropped, they end; it takes a runtime.
pub struct Outside {
    members: Vec<Member>,
}

struct Member {
    version: String,
    pod: String,
    ports: Vec<LocalPort>,
    echo: EchoHandle,
    address: Loopback,
}

impl Outside {
    /// Starts as many of each version as `replicas` says; their pods are called `<version>-<index>`.
    ///
    /// # Errors
    /// When there is no address or port for one.
    pub async fn start(app: &str, replicas: &BTreeMap<String, usize>) -> Result<Self> {
        let mut members = Vec::new();
        for (version, count) in replicas {
            for index in 0..*count {
                let address = Loopback::claim().context("claim a loopback address")?;
                let pod = format!("{version}-{index}");
                let identity = Identity {
                    pod: pod.as_str().into(),
                    namespace: "outside".into(),
                    workload: format!("{app}-{version}").into(),
                    app: app.into(),
                    version: version.as_str().into(),
                };
                let ports = vec![
                    LocalPort { number: HTTP_PORT, protocol: Protocol::Http },
                    LocalPort { number: TCP_PORT, protocol: Protocol::Tcp },
                ];
                let (pod_address, application) = (address.ip(), address.ip());
                let spec = EchoSpec { identity, pod_address, application, ports: ports.clone() };
                let echo = echo::start(spec).await?;
                members.push(Member { version: version.clone(), pod, ports, echo, address });
            }
        }
        Ok(Self { members })
    }

    /// Their addresses, in order of version and index.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.members.iter().map(|member| member.address.ip()).collect()
    }

    /// Makes one answer everything with 503, or stop doing so.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn set_failing(&self, pod: &str, failing: bool) -> Result<()> {
        let member = self.members.iter().find(|member| member.pod == pod);
        member.with_context(|| format!("there is no `{pod}`"))?.echo.set_failing(failing);
        Ok(())
    }

    /// Closes the ports of one and all connections to them, as when its machine is switched off; or opens them again.
    ///
    /// # Errors
    /// When there is none of that name, or a port can't be opened.
    pub async fn set_dead(&mut self, pod: &str, dead: bool) -> Result<()> {
        let member = self.members.iter_mut().find(|member| member.pod == pod);
        let member = member.with_context(|| format!("there is no `{pod}`"))?;
        let ports = if dead { &[][..] } else { &member.ports };
        Ok(member.echo.set_ports(ports).await?)
    }

    /// Requests and connections that they have taken together.
    pub fn requests(&self) -> u64 {
        self.members.iter().map(|member| member.echo.requests()).sum()
    }

    /// Requests and connections that those of one version have taken together.
    pub fn requests_of(&self, version: &str) -> u64 {
        let members = self.members.iter().filter(|member| member.version == version);
        members.map(|member| member.echo.requests()).sum()
    }

    /// A STATIC ServiceEntry `name` for `host` with all of them as endpoints, labelled with their versions.
    pub fn service_entry(&self, name: &str, host: &str) -> String {
        let mut yaml = format!(
            "apiVersion: networking.istio.io/v1\n\
             kind: ServiceEntry\n\
             metadata: {{name: {name}, namespace: traffic}}\n\
             spec:\n\
             \x20 hosts: [{host}]\n\
             \x20 location: MESH_EXTERNAL\n\
             \x20 resolution: STATIC\n\
             \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {HTTP_PORT}}}]\n\
             \x20 endpoints:\n"
        );
        for Member { version, pod: _, ports: _, echo: _, address } in &self.members {
            // Writing to a String cannot fail.
            let _ = writeln!(yaml, "  - {{address: {}, labels: {{version: {version}}}}}", address.ip());
        }
        yaml
    }

    /// A DestinationRule for `host` with a subset for each version.
    pub fn subsets(&self, name: &str, host: &str) -> String {
        let mut versions: Vec<_> = self.members.iter().map(|member| &member.version).collect();
        versions.dedup();
        let subsets: Vec<_> = versions
            .iter()
            .map(|version| format!("{{name: {version}, labels: {{version: {version}}}}}"))
            .collect();
        format!(
            "apiVersion: networking.istio.io/v1\n\
             kind: DestinationRule\n\
             metadata: {{name: {name}, namespace: traffic}}\n\
             spec: {{host: {host}, subsets: [{}]}}\n",
            subsets.join(", ")
        )
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for Member { version: _, pod: _, ports: _, echo, address } in self.members.drain(..) {
            // The address may be claimed again only when its ports are free.
            tokio::spawn(async move {
                echo.stop().await;
                drop(address);
            });
        }
    }
}
