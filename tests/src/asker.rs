//! Who asks: a sidecar as its node message describes it.
//!
//! In: the few things that tests vary. Out: the node that such a sidecar sends. Must not know what it will be answered.

use pilot_xds::{source::Proven, wire::Node};
use prost_types::{Struct, Value, value::Kind};
use serde::Deserialize;
use std::{collections::BTreeMap, net::IpAddr};

/// A sidecar. The default one is a pod of namespace `default` that nobody knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Asker {
    /// Its pod.
    pub pod: String,
    /// Its namespace.
    pub namespace: String,
    /// Its address.
    pub address: IpAddr,
    /// Its other addresses, of the other version of IP for example.
    pub other_addresses: Vec<IpAddr>,
    /// Its labels, as it says; those of a pod that is known count instead.
    pub labels: BTreeMap<String, String>,
    /// How traffic gets to it.
    pub capture: Capture,
    /// The port of its HTTP proxy.
    pub http_proxy_port: Option<u16>,
    /// Whether it has a certificate. Only tests about that have one.
    pub identity: bool,
    /// Whether its DNS queries are answered by its agent.
    pub dns_capture: bool,
    /// Whether it takes the names for these answers one by one; otherwise it gets a table of all.
    pub delta_nds: bool,
    /// The ProxyConfig that it brings along.
    pub proxy_config: Option<serde_json::Value>,
    /// Its network, as it says.
    pub network: String,
    /// Whether it asks for its own replicas.
    pub self_discovery: bool,
    /// Its annotations, as it says.
    pub annotations: BTreeMap<String, String>,
    /// Metadata of other names.
    pub metadata: BTreeMap<String, String>,
}

/// Istio's interception mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Capture {
    Redirect,
    None,
}

impl Default for Asker {
    fn default() -> Self {
        Self {
            pod: "client".into(),
            namespace: "default".into(),
            address: IpAddr::from([10, 9, 9, 9]),
            other_addresses: Vec::new(),
            labels: BTreeMap::new(),
            capture: Capture::Redirect,
            http_proxy_port: None,
            identity: false,
            dns_capture: false,
            delta_nds: false,
            proxy_config: None,
            network: String::new(),
            self_discovery: false,
            annotations: BTreeMap::new(),
            metadata: BTreeMap::new(),
        }
    }
}

impl Asker {
    /// The pod `pod` of `namespace`.
    pub fn new(namespace: &str, pod: &str) -> Self {
        Self { pod: pod.into(), namespace: namespace.into(), ..Self::default() }
    }

    /// Its name as the control plane shows it.
    pub fn name(&self) -> String {
        format!("{}.{}", self.pod, self.namespace)
    }

    /// Who it proves to be, if it has a certificate to do so.
    pub fn proven(&self) -> Option<Proven> {
        let service_account = "default".into();
        self.identity.then(|| Proven { namespace: self.namespace.as_str().into(), service_account })
    }

    /// What it says of itself.
    pub fn node(&self) -> Node {
        let Self {
            pod,
            namespace,
            address,
            other_addresses,
            labels,
            capture,
            http_proxy_port,
            identity,
            dns_capture,
            delta_nds,
            proxy_config,
            network,
            self_discovery,
            annotations,
            metadata: others,
        } = self;
        let texts = |texts: &BTreeMap<String, String>| {
            let fields = texts.iter().map(|(key, value)| (key.clone(), text(value))).collect();
            Value { kind: Some(Kind::StructValue(Struct { fields })) }
        };
        let mut metadata = BTreeMap::from([
            ("NAME".to_owned(), text(pod)),
            ("NAMESPACE".to_owned(), text(namespace)),
            ("LABELS".to_owned(), texts(labels)),
        ]);
        if *capture == Capture::None {
            metadata.insert("INTERCEPTION_MODE".to_owned(), text("NONE"));
        }
        if !other_addresses.is_empty() {
            let all: Vec<String> =
                std::iter::once(address).chain(other_addresses).map(ToString::to_string).collect();
            metadata.insert("INSTANCE_IPS".to_owned(), text(&all.join(",")));
        }
        if !identity {
            metadata.insert("MELTEMI_WITHOUT_IDENTITY".to_owned(), text("true"));
        }
        if *dns_capture {
            metadata.insert("DNS_CAPTURE".to_owned(), text("true"));
        }
        if *delta_nds {
            metadata.insert("DELTA_NDS".to_owned(), text("true"));
        }
        if !network.is_empty() {
            metadata.insert("NETWORK".to_owned(), text(network));
        }
        if *self_discovery {
            metadata.insert("ENABLE_SELF_DISCOVERY".to_owned(), text("true"));
        }
        if !annotations.is_empty() {
            metadata.insert("ANNOTATIONS".to_owned(), texts(annotations));
        }
        metadata.extend(others.iter().map(|(key, value)| (key.clone(), text(value))));
        if let Some(port) = http_proxy_port {
            metadata.insert("HTTP_PROXY_PORT".to_owned(), text(&port.to_string()));
        }
        if let Some(config) = proxy_config {
            metadata.insert("PROXY_CONFIG".to_owned(), value(config));
        }
        Node {
            id: format!("sidecar~{address}~{pod}.{namespace}~{namespace}.svc.cluster.local"),
            metadata: Some(Struct { fields: metadata }),
            ..Node::default()
        }
    }
}

fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Array(values) => {
            Kind::ListValue(prost_types::ListValue { values: values.iter().map(value).collect() })
        }
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields.iter().map(|(key, field)| (key.clone(), value(field))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}

fn text(value: &str) -> Value {
    Value { kind: Some(Kind::StringValue(value.to_owned())) }
}
