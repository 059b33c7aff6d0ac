//! What a pod tells its proxy, as Istio's injector writes it down.
//!
//! In: environment variables, the files of the downward API, and the flags that the injector gives. Out: [`Environment`], and from it the
//! settings of an agent. What is set and has no effect is told. It reads no files but those of the pod's own labels and annotations.

mod application;
mod certificates;
mod duration;
mod pod_info;
mod proxy_config;
mod telemetry;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde_json::{Map, Value, json};

use crate::{
    agent::{AgentSettings, Discovery},
    authority::Authority,
    drain::DrainSettings,
    envoy::{
        CommandLine, Listen, Locality, Node, Role, Sockets,
        bootstrap::{HEALTH_PORT, PROMETHEUS_PORT},
    },
    extras::Extras,
    renewal::GRACE,
    revoked::Revoked,
    workload::Settings,
};

use duration::parse_duration;
use proxy_config::ProxyConfig;

/// Labels that say where the pod is, over what its node says; the first that is there counts.
const LOCALITY_LABELS: [&str; 2] = ["topology.istio.io/locality", "istio-locality"];

/// What flags say.
#[derive(Debug, Clone)]
pub struct Flags {
    /// What the proxy stands for.
    pub role: Role,
    /// The DNS domain of its namespace; `None`: that of its namespace in `cluster.local`.
    pub domain: Option<String>,
    /// Envoy's log level.
    pub log_level: String,
    /// The same by part of Envoy.
    pub component_log_level: String,
    /// Envoy's worker threads.
    pub concurrency: Option<u32>,
    /// Where health, metrics and status are served, if not on all addresses.
    pub bind: Option<IpAddr>,
    /// The root of all relative paths.
    pub root: PathBuf,
    /// The Envoy to run, if it was named.
    pub envoy: Option<PathBuf>,
}

/// Something in the pod's settings makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct EnvironmentError {
    variable: String,
    problem: String,
}

impl EnvironmentError {
    fn new(variable: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { variable: variable.into(), problem: problem.into() }
    }
}

/// All that the `proxy` command runs.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The agent.
    pub agent: AgentSettings,
    /// Envoy.
    pub envoy: CommandLine,
    /// The end.
    pub drain: DrainSettings,
    /// The application.
    pub extras: Extras,
    /// What is set and has no effect: the path, and why.
    pub unsupported: Vec<String>,
}

/// Reads everything.
///
/// # Errors
/// When a setting makes no sense; a pod that starts with a guess instead would be found out much later.
pub fn read(
    variables: impl IntoIterator<Item = (String, String)>,
    flags: Flags,
) -> Result<Environment, EnvironmentError> {
    let mut variables: BTreeMap<String, String> = variables.into_iter().collect();
    let (config, mut unsupported) = match variables.get("PROXY_CONFIG") {
        Some(text) => {
            ProxyConfig::parse(text).map_err(|error| EnvironmentError::new("PROXY_CONFIG", error))?
        }
        None => Default::default(),
    };
    // What the pod's own environment says comes before the mesh's.
    for (name, value) in &config.proxy_metadata {
        variables.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let variables = Variables(variables);
    unsupported.extend(certificates::unsupported(&variables));
    let mut environment = variables.settings(config, flags)?;
    environment.unsupported = unsupported;
    Ok(environment)
}

struct Variables(BTreeMap<String, String>);

impl Variables {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, EnvironmentError> {
        self.get(name).ok_or_else(|| EnvironmentError::new(name, "is not set, and nothing else says it"))
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, EnvironmentError> {
        self.get(name)
            .map(|text| parse(text).map_err(|problem| EnvironmentError::new(name, problem)))
            .transpose()
    }

    fn port(&self, name: &str, default: u16) -> Result<u16, EnvironmentError> {
        let port = self.parsed(name, |text| text.parse().map_err(|_| format!("`{text}` is no port")))?;
        Ok(port.unwrap_or(default))
    }

    fn duration(&self, name: &str, default: Duration) -> Result<Duration, EnvironmentError> {
        Ok(self.parsed(name, parse_duration)?.unwrap_or(default))
    }

    fn flag(&self, name: &str) -> Result<bool, EnvironmentError> {
        let flag = self
            .parsed(name, |text| text.parse().map_err(|_| format!("`{text}` is neither true nor false")))?;
        Ok(flag.unwrap_or(false))
    }

    fn settings(&self, config: ProxyConfig, flags: Flags) -> Result<Environment, EnvironmentError> {
        let Flags { role, domain, log_level, component_log_level, concurrency, bind, root, envoy } = flags;
        let pod = self.required("POD_NAME")?.to_owned();
        let namespace = self.required("POD_NAMESPACE")?.to_owned();
        let addresses = self.addresses()?;
        let address = addresses[0];
        let domain = domain.unwrap_or_else(|| format!("{namespace}.svc.cluster.local"));
        let info = pod_info::read(&root.join("etc/istio/pod"))
            .map_err(|(path, problem)| EnvironmentError::new(path, problem))?;
        let place = LOCALITY_LABELS.iter().find_map(|name| info.labels.get(*name));
        let locality = place.map(|text| locality(text)).unwrap_or_default();
        let canonical = info.labels.get("service.istio.io/canonical-name").or_else(|| info.labels.get("app"));
        let label = |name: &str| info.labels.get(name).map(String::as_str);
        let workload = self.get("ISTIO_META_WORKLOAD_NAME").unwrap_or("istio-proxy");
        let cluster = match (&config.service_cluster, config.service_name) {
            (Some(cluster), _) => cluster.clone(),
            (None, Some(name)) => name.of(label, workload, &namespace),
            (None, None) => format!("{}.{namespace}", canonical.map_or("istio-proxy", String::as_str)),
        };
        let metadata = self.metadata(&config, &info, &addresses)?;
        let cluster_id =
            metadata.get("CLUSTER_ID").and_then(Value::as_str).unwrap_or("Kubernetes").to_owned();
        let node = Node { role, address, pod, namespace, domain, cluster, locality, metadata };

        let everywhere =
            if address.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let here = if address.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let listen = Listen {
            admin: SocketAddr::new(bind.unwrap_or(here), config.proxy_admin_port),
            status: SocketAddr::new(bind.unwrap_or(everywhere), config.status_port),
            health: SocketAddr::new(bind.unwrap_or(everywhere), self.port("ENVOY_STATUS_PORT", HEALTH_PORT)?),
            prometheus: SocketAddr::new(
                bind.unwrap_or(everywhere),
                self.port("ENVOY_PROMETHEUS_PORT", PROMETHEUS_PORT)?,
            ),
        };
        let directory = root.join(&config.config_path);
        let secrets = root
            .join("var/run/secrets/workload-spiffe-uds")
            .join(self.get("WORKLOAD_IDENTITY_SOCKET_FILE").unwrap_or("socket"));
        let sockets = Sockets { configuration: directory.join("XDS"), secrets };
        let stats = config.stats_inclusion(&info.annotations);
        let telemetry = config.telemetry(&info.annotations);

        let discovery_address = config.discovery_address.clone();
        let authority_address = self.get("CA_ADDR").unwrap_or(&discovery_address).to_owned();
        let server_name = |address: &str| self.get("ISTIOD_SAN").unwrap_or(host_of(address)).to_owned();
        let roots = |names: [&str; 2]| {
            let named = names.iter().find_map(|name| Some((name, self.get(name)?)));
            match named {
                Some((name, "SYSTEM")) => Err(EnvironmentError::new(
                    *name,
                    "SYSTEM is not supported (NotSupported): name the file with the authorities",
                )),
                Some((_, file)) => Ok(root.join(file)),
                None => Ok(root.join("var/run/secrets/istio/root-cert.pem")),
            }
        };
        let token = root.join("var/run/secrets/tokens/istio-token");
        let revocations = root.join("var/run/secrets/istio/crl/ca-crl.pem");
        let revoked = Revoked::at(revocations.clone());
        let discovery = Discovery {
            server_name: server_name(&discovery_address),
            address: discovery_address,
            cluster: cluster_id.clone(),
            token: token.clone(),
            roots: roots(["XDS_ROOT_CA", "CA_ROOT_CA"])?,
            revoked: revoked.clone(),
        };
        let workload = Settings {
            authority: Authority {
                server_name: server_name(&authority_address),
                address: authority_address,
                cluster: cluster_id,
                revoked,
                key: certificates::key(self)?,
            },
            token,
            roots: roots(["CA_ROOT_CA", "XDS_ROOT_CA"])?,
            lifetime: self.duration("SECRET_TTL", Duration::from_secs(24 * 3600))?,
            grace: self.parsed("SECRET_GRACE_PERIOD_RATIO", ratio)?.unwrap_or(GRACE),
            renew: None,
        };
        let drain = DrainSettings {
            listen,
            longest: config.termination_drain,
            until_idle: self.flag("EXIT_ON_ZERO_ACTIVE_CONNECTIONS")?,
            shortest: self.duration("MINIMUM_DRAIN_DURATION", Duration::from_secs(5))?,
        };
        let cpu_limit = self.parsed("ISTIO_CPU_LIMIT", |text| {
            text.parse::<u32>().map_err(|_| format!("`{text}` is no number of processors"))
        })?;
        // Zero, in Istio's words, is as many as there are processors.
        let concurrency = concurrency.or(config.concurrency).filter(|count| *count > 0).or(cpu_limit);
        let envoy = CommandLine {
            binary: envoy.unwrap_or_else(|| root.join(&config.binary_path)),
            concurrency,
            log_level,
            component_log_level,
            drain: config.drain,
            flush_interval: config.flush_interval,
            flush_size: config.flush_size,
            only_ipv6: addresses.iter().all(IpAddr::is_ipv6),
        };
        let extras = Extras { readiness: config.readiness, ..self.extras(&node, config.status_port)? };
        let (runtime, roots) = (config.runtime_values, config.roots);
        let agent = AgentSettings {
            node,
            listen,
            sockets,
            stats,
            runtime,
            telemetry,
            roots,
            workload,
            revocations,
            discovery,
            directory,
        };
        Ok(Environment { agent, envoy, drain, extras, unsupported: Vec::new() })
    }

    /// The pod's addresses, its own first. `INSTANCE_IP` may be a list.
    fn addresses(&self) -> Result<Vec<IpAddr>, EnvironmentError> {
        let text = self.required("INSTANCE_IP")?;
        let more = self.get("ISTIO_META_INSTANCE_IPS").unwrap_or_default();
        let mut addresses: Vec<IpAddr> = Vec::new();
        for part in text.split(',').chain(more.split(',')).map(str::trim).filter(|part| !part.is_empty()) {
            let address = part.parse();
            let address = address
                .map_err(|_| EnvironmentError::new("INSTANCE_IP", format!("`{part}` is no IP address")))?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(EnvironmentError::new("INSTANCE_IP", "names no address"));
        }
        Ok(addresses)
    }

    /// Istio's node metadata: what the environment says under `ISTIO_META_`, and what is known anyway.
    fn metadata(
        &self,
        config: &ProxyConfig,
        info: &pod_info::PodInfo,
        addresses: &[IpAddr],
    ) -> Result<Map<String, Value>, EnvironmentError> {
        let mut metadata = Map::new();
        for (name, value) in &self.0 {
            if let Some(key) = name.strip_prefix("ISTIO_META_") {
                metadata.insert(key.to_owned(), value.clone().into());
            } else if name.starts_with("ISTIO_METAJSON_") {
                let problem = |error: serde_json::Error| {
                    EnvironmentError::new(name, format!("it is no JSON object: {error}"))
                };
                metadata.extend(serde_json::from_str::<Map<String, Value>>(value).map_err(problem)?);
            }
        }
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        if metadata.get("DNS_CAPTURE").and_then(Value::as_str) == Some("true") {
            // Names come one by one, and so only those that change.
            metadata.insert("DELTA_NDS".to_owned(), "true".into());
        }
        metadata.insert("INSTANCE_IPS".to_owned(), addresses.join(",").into());
        // A pod has them from a file, a machine from its environment.
        let mut labels = info.labels.clone();
        if let Some(text) = self.get("ISTIO_METAJSON_LABELS") {
            let problem = |error: serde_json::Error| {
                EnvironmentError::new("ISTIO_METAJSON_LABELS", format!("it is no map of texts: {error}"))
            };
            labels.extend(serde_json::from_str::<BTreeMap<String, String>>(text).map_err(problem)?);
        }
        metadata.insert("LABELS".to_owned(), json!(labels));
        metadata.insert("ANNOTATIONS".to_owned(), json!(info.annotations));
        metadata.insert("PROXY_CONFIG".to_owned(), config.written.clone());
        for (key, variable) in
            [("NAME", "POD_NAME"), ("NAMESPACE", "POD_NAMESPACE"), ("SERVICE_ACCOUNT", "SERVICE_ACCOUNT")]
        {
            if let Some(value) = self.get(variable) {
                metadata.insert(key.to_owned(), value.into());
            }
        }
        Ok(metadata)
    }
}

/// `region.zone.subzone`, or with slashes.
fn locality(text: &str) -> Locality {
    let separator = if text.contains('/') { '/' } else { '.' };
    let mut parts = text.splitn(3, separator).map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    Locality { region: next(), zone: next(), sub_zone: next() }
}

/// A part of a whole.
fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| format!("`{text}` is no number from 0 to 1"))
}

/// The host of `host:port`.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests;
