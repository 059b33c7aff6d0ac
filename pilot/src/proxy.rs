//! Who connects: node metadata in, [`Proxy`] out.
//!
//! What a proxy says of itself is taken where the mesh does not know better: labels and locality of a known pod are the
//! mesh's, so that a relabelled pod changes its configuration without a restart.

mod metadata;
mod registering;

use mesh_model::{Kind, Labels, Locality, Mesh, NamespacedName, ObjectRef, Str};
use metadata::flag;
use pilot_view::Proxy;
use pilot_xds::{
    resource::Protocol,
    source::{Admission, Proven, Refusal},
    wire::Node,
};
use prost_types::{Struct, Value, value::Kind as ValueKind};
use std::{net::IpAddr, sync::Arc};

pub use registering::{Hearing, refusal, registering};

/// Metadata of an Envoy that nobody hands a certificate to: to wait for one, it would wait for ever.
const WITHOUT_IDENTITY: &str = "MELTEMI_WITHOUT_IDENTITY";

/// Lets a proven identity open streams of its own workloads only: what a node says of its namespace and service account must agree.
pub fn admission(namespace: &str, service_account: &str) -> Admission {
    let (namespace, account) = (namespace.to_owned(), service_account.to_owned());
    let proven = Proven { namespace: namespace.as_str().into(), service_account: account.as_str().into() };
    Admission(Arc::new(move |node| {
        let claimed = claimed_namespace(node);
        if claimed != Some(&namespace) {
            let claimed = claimed.unwrap_or_default();
            let message = format!("the caller is of namespace {namespace}, and the node says {claimed:?}");
            return Err(Refusal::Denied(message));
        }
        // A node that names none is taken for what its caller is: nothing that it gets depends on the name it leaves out.
        match text(node.metadata.as_ref(), "SERVICE_ACCOUNT") {
            Some(claimed) if claimed != account => Err(Refusal::Denied(format!(
                "the caller's service account is {account}, and the node says {claimed:?}"
            ))),
            _ => Ok(proven.clone()),
        }
    }))
}

/// The namespace that a node says it is in; the same that its configuration is of.
fn claimed_namespace(node: &Node) -> Option<&str> {
    let mut parts = node.id.split('~').skip(2);
    let (name, domain) = (parts.next()?, parts.next()?);
    text(node.metadata.as_ref(), "NAMESPACE")
        .or_else(|| domain.split('.').next().filter(|part| !part.is_empty()))
        .or_else(|| name.rsplit_once('.').map(|(_, namespace)| namespace))
}

/// What a proxy says of itself.
#[derive(Debug, Clone)]
pub struct Connected {
    claimed: Proxy,
    names_by_host: bool,
    /// What of that has no effect, each with what becomes of it.
    ignored: Arc<[String]>,
}

/// In what form a proxy takes what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// The protocol of its stream.
    pub protocol: Protocol,
    /// How its agent takes names.
    pub names: NameForm,
}

/// How a proxy's agent takes the names that it answers DNS queries from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameForm {
    /// A resource for each name, so that only what changes is sent (metadata `DELTA_NDS`).
    Single,
    /// One resource with all names.
    Table,
}

impl Connected {
    /// Reads a node: its id `<type>~<ip>~<pod>.<namespace>~<dns domain>` and its metadata.
    pub fn from_node(node: &Node) -> Result<Self, Refusal> {
        let invalid = |what: &str| Refusal::Invalid(format!("{what} (node id {:?})", node.id));
        let parts: Vec<&str> = node.id.split('~').collect();
        let [kind, address, name, _domain] = parts[..] else {
            return Err(invalid("the id must be <type>~<ip>~<pod>.<namespace>~<namespace>.svc.<domain>"));
        };
        if kind != "sidecar" {
            return Err(invalid(&format!(
                "proxies of type {kind:?} are not supported yet, only \"sidecar\""
            )));
        }
        let address: IpAddr =
            address.parse().map_err(|_| invalid(&format!("{address:?} is no IP address")))?;
        let metadata = node.metadata.as_ref();
        let namespace: Str = claimed_namespace(node).ok_or_else(|| invalid("no namespace"))?.into();
        let pod =
            text(metadata, "NAME").or_else(|| name.strip_suffix(&format!(".{namespace}"))).unwrap_or(name);
        let mut addresses = vec![address];
        let listed = text(metadata, "INSTANCE_IPS").unwrap_or_default();
        addresses.extend(
            listed
                .split(',')
                .filter_map(|text| text.trim().parse::<IpAddr>().ok())
                .filter(|ip| *ip != address),
        );
        let locality = node.locality.as_ref().map(|locality| Locality {
            region: locality.region.as_str().into(),
            zone: locality.zone.as_str().into(),
            sub_zone: locality.sub_zone.as_str().into(),
        });
        let mut ignored = metadata::ignored(metadata);
        let options = Arc::new(metadata::options(metadata, &mut ignored)?);
        Ok(Self {
            names_by_host: text(metadata, "DELTA_NDS") == Some("true"),
            ignored: ignored.into(),
            claimed: Proxy {
                name: format!("{pod}.{namespace}").into(),
                workload: Some(ObjectRef {
                    kind: Kind::Pod,
                    name: NamespacedName::new(namespace.clone(), pod),
                }),
                namespace,
                labels: Arc::new(labels(metadata)),
                capture: metadata::capture(metadata, address)?,
                options,
                has_identity: text(metadata, WITHOUT_IDENTITY) != Some("true"),
                dns_capture: flag(metadata, "DNS_CAPTURE"),
                settings: field(metadata, "PROXY_CONFIG")
                    .map(|config| Arc::new(pilot_ingest::parse_proxy_config(&json(config)))),
                cluster: node.cluster.as_str().into(),
                self_discovery: flag(metadata, "ENABLE_SELF_DISCOVERY"),
                addresses,
                locality: locality.unwrap_or_default(),
                network: text(metadata, "NETWORK").unwrap_or_default().into(),
            },
        })
    }

    /// How it takes what it is told on a stream of this protocol.
    pub fn takes(&self, protocol: Protocol) -> Takes {
        let names = match protocol {
            Protocol::Delta if self.names_by_host => NameForm::Single,
            Protocol::Delta | Protocol::Sotw => NameForm::Table,
        };
        Takes { protocol, names }
    }

    /// What it says that has no effect, each with what becomes of it.
    pub fn ignored(&self) -> &Arc<[String]> {
        &self.ignored
    }

    /// The pod it says it is beside.
    pub fn object(&self) -> Option<&ObjectRef> {
        self.claimed.workload.as_ref()
    }

    /// Holds what it says and `known` says as well only once: there are thousands of them, and mostly they say the same.
    pub fn share(&mut self, known: &Proxy) {
        fn share<T: PartialEq + Clone>(claimed: &mut T, known: &T) {
            if claimed == known {
                *claimed = known.clone();
            }
        }
        share(&mut self.claimed.workload, &known.workload);
        share(&mut self.claimed.namespace, &known.namespace);
        share(&mut self.claimed.labels, &known.labels);
        share(&mut self.claimed.locality, &known.locality);
        share(&mut self.claimed.options, &known.options);
        share(&mut self.claimed.network, &known.network);
    }

    /// The proxy as `mesh` knows it.
    pub fn proxy(&self, mesh: &Mesh) -> Proxy {
        let mut proxy = self.claimed.clone();
        let known = proxy.workload.as_ref().and_then(|object| mesh.workload(object));
        // A WorkloadEntry has another kind of object and is found by its address.
        let known = known.or_else(|| {
            let mut at = proxy.addresses.iter().flat_map(|address| mesh.workloads_at(address));
            at.find(|at| at.object.kind == Kind::WorkloadEntry && at.object.name.namespace == proxy.namespace)
        });
        proxy.workload = known.map(|workload| workload.object.clone());
        if let Some(object) = &proxy.workload {
            proxy.namespace = object.name.namespace.clone();
        }
        if proxy.network.is_empty() {
            proxy.network = known.map_or(&mesh.config().network, |workload| &workload.network).clone();
        }
        if let Some(workload) = known {
            proxy.labels = workload.labels.clone();
            if workload.locality != Locality::default() {
                proxy.locality = workload.locality.clone();
            }
        }
        proxy
    }
}

fn field<'a>(metadata: Option<&'a Struct>, key: &str) -> Option<&'a Value> {
    metadata?.fields.get(key)
}

fn as_text(value: &Value) -> Option<&str> {
    match &value.kind {
        Some(ValueKind::StringValue(text)) => Some(text),
        _ => None,
    }
}

fn text<'a>(metadata: Option<&'a Struct>, key: &str) -> Option<&'a str> {
    field(metadata, key).and_then(as_text).filter(|text| !text.is_empty())
}

/// A value of metadata as JSON.
fn json(value: &Value) -> serde_json::Value {
    match &value.kind {
        None | Some(ValueKind::NullValue(_)) => serde_json::Value::Null,
        Some(ValueKind::BoolValue(value)) => (*value).into(),
        // Protobuf's numbers are all floating.
        Some(ValueKind::NumberValue(value)) if value.fract() == 0.0 && value.abs() < 1e15 => {
            (*value as i64).into()
        }
        Some(ValueKind::NumberValue(value)) => (*value).into(),
        Some(ValueKind::StringValue(value)) => value.as_str().into(),
        Some(ValueKind::ListValue(values)) => values.values.iter().map(json).collect(),
        Some(ValueKind::StructValue(fields)) => {
            fields.fields.iter().map(|(key, value)| (key.clone(), json(value))).collect()
        }
    }
}

fn labels(metadata: Option<&Struct>) -> Labels {
    match field(metadata, "LABELS").and_then(|value| value.kind.as_ref()) {
        Some(ValueKind::StructValue(labels)) => labels
            .fields
            .iter()
            .filter_map(|(key, value)| Some((key.as_str().into(), as_text(value)?.into())))
            .collect(),
        _ => Labels::new(),
    }
}
