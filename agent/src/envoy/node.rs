//! Who a proxy says it is.
//!
//! In: a role, names and addresses, and metadata. Out: the node of Envoy's bootstrap, in the form that Istio's control plane reads, too.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a proxy stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One workload, beside which it runs.
    Sidecar,
    /// A gateway.
    Router,
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sidecar" => Ok(Self::Sidecar),
            "router" => Ok(Self::Router),
            other => Err(format!("`{other}` is not supported: use sidecar or router")),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
        })
    }
}

/// What a workload is called in traces (Istio's `tracingServiceName`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceName {
    /// By its label `app`, with its namespace.
    AppLabelAndNamespace,
    /// By its canonical name.
    CanonicalNameOnly,
    /// By its canonical name, with its namespace.
    CanonicalNameAndNamespace,
}

impl ServiceName {
    /// The name of `workload` in `namespace` with these labels.
    pub fn of<'a>(
        self,
        label: impl Fn(&str) -> Option<&'a str>,
        workload: &'a str,
        namespace: &str,
    ) -> String {
        let app = || label("app").unwrap_or(workload);
        let canonical = || {
            let mut named = ["service.istio.io/canonical-name", "app.kubernetes.io/name"].into_iter();
            named.find_map(&label).unwrap_or_else(app)
        };
        match self {
            Self::AppLabelAndNamespace => format!("{}.{namespace}", app()),
            Self::CanonicalNameOnly => canonical().to_owned(),
            Self::CanonicalNameAndNamespace => format!("{}.{namespace}", canonical()),
        }
    }
}

/// Where a proxy runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locality {
    /// Region.
    pub region: String,
    /// Zone.
    pub zone: String,
    /// Sub-zone.
    pub sub_zone: String,
}

/// What a proxy says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it stands for.
    pub role: Role,
    /// Its pod's address.
    pub address: IpAddr,
    /// Its pod's name.
    pub pod: String,
    /// Its pod's namespace.
    pub namespace: String,
    /// The DNS domain that its short names are in, such as `shop.svc.cluster.local`.
    pub domain: String,
    /// What it counts itself to; nothing depends on it.
    pub cluster: String,
    /// Where it runs, if it knows.
    pub locality: Locality,
    /// Istio's node metadata.
    pub metadata: Map<String, Value>,
}

impl Node {
    /// `sidecar~10.0.0.1~web-0.shop~shop.svc.cluster.local`.
    pub fn id(&self) -> String {
        let Self { role, address, pod, namespace, domain, cluster: _, locality: _, metadata: _ } = self;
        format!("{role}~{address}~{pod}.{namespace}~{domain}")
    }

    pub(super) fn build(&self) -> Value {
        let Locality { region, zone, sub_zone } = &self.locality;
        json!({
            "id": self.id(),
            "cluster": self.cluster,
            "locality": { "region": region, "zone": zone, "sub_zone": sub_zone },
            "metadata": self.metadata,
        })
    }
}
