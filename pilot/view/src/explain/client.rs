//! Who asks, by the names that people use: a pod, a Deployment, an application, each with `.namespace` if need be.

use crate::{Capture, Proxy};
use mesh_model::Workload;
use std::fmt;

/// Why a name means no proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownClient {
    name: String,
    /// Those that it may mean, or all there are.
    candidates: Vec<String>,
    ambiguous: bool,
    connected: bool,
}

impl UnknownClient {
    /// The same, where those that there are are the proxies that are connected to a control plane: a workload may well be there without one.
    pub fn among_connected(self) -> Self {
        Self { connected: true, ..self }
    }
}

impl fmt::Display for UnknownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, candidates, ambiguous, connected } = self;
        let list = candidates.join(", ");
        match (ambiguous, candidates.is_empty()) {
            (true, _) => write!(f, "`{name}` is in several namespaces: write one of {list}"),
            (false, _) if *connected => {
                write!(f, "no proxy of `{name}` is connected: ")?;
                match candidates.is_empty() {
                    true => f.write_str("there is none at all")?,
                    false => write!(f, "there are {list}")?,
                }
                f.write_str(
                    " (`--from` takes those of `meltemi proxy list`; for workloads without a proxy, ask about files: `meltemi explain route URL PATH ..`)",
                )
            }
            (false, true) => write!(f, "there is no workload `{name}`, nor any other"),
            (false, false) => write!(f, "there is no workload `{name}`; there are: {list}"),
        }
    }
}

impl std::error::Error for UnknownClient {}

/// The sidecar that `workload` has in a cluster, where its traffic is redirected.
pub fn proxy_of(workload: &Workload) -> Proxy {
    let name = &workload.object.name;
    Proxy {
        name: format!("{}.{}", name.name, name.namespace).into(),
        workload: Some(workload.object.clone()),
        namespace: name.namespace.clone(),
        labels: workload.labels.clone(),
        addresses: workload.addresses.clone(),
        locality: workload.locality.clone(),
        network: workload.network.clone(),
        capture: Capture::Redirect,
        options: Default::default(),
        has_identity: true,
        dns_capture: false,
        settings: None,
        cluster: Default::default(),
        self_discovery: false,
    }
}

/// The first of `proxies` that `wanted` means: by the pod's name, otherwise the label `app`, otherwise the beginning of the pod's name.
///
/// # Errors
/// When it means none, or some in different namespaces.
pub fn choose<'p>(proxies: &'p [Proxy], wanted: &str) -> Result<&'p Proxy, UnknownClient> {
    let mut found = called(proxies, wanted, None);
    if let (true, Some((short, namespace))) = (found.is_empty(), wanted.rsplit_once('.')) {
        found = called(proxies, short, Some(namespace));
    }
    let names = |proxies: &mut dyn Iterator<Item = &Proxy>| {
        let mut names: Vec<String> = proxies.map(|proxy| proxy.name.to_string()).collect();
        names.sort();
        names.dedup();
        names
    };
    let unknown = |candidates, ambiguous| UnknownClient {
        name: wanted.to_owned(),
        candidates,
        ambiguous,
        connected: false,
    };
    found.sort_by(|a, b| a.name.cmp(&b.name));
    match found.first() {
        None => Err(unknown(names(&mut proxies.iter()), false)),
        Some(first) if found.iter().any(|other| other.namespace != first.namespace) => {
            Err(unknown(names(&mut found.iter().copied()), true))
        }
        Some(first) => Ok(first),
    }
}

fn called<'p>(proxies: &'p [Proxy], name: &str, namespace: Option<&str>) -> Vec<&'p Proxy> {
    let pod = |proxy: &'p Proxy| {
        proxy.name.strip_suffix(&format!(".{}", proxy.namespace)).unwrap_or(&proxy.name).to_owned()
    };
    let ways: [&dyn Fn(&'p Proxy) -> bool; 4] = [
        &|proxy| *proxy.name == *name,
        &|proxy| pod(proxy) == name,
        &|proxy| proxy.labels.get("app").is_some_and(|app| **app == *name),
        &|proxy| pod(proxy).strip_prefix(name).is_some_and(|rest| rest.starts_with('-')),
    ];
    let here = |proxy: &&'p Proxy| namespace.is_none_or(|namespace| *proxy.namespace == *namespace);
    let found = ways.into_iter().map(|way| proxies.iter().filter(here).filter(|proxy| way(proxy)).collect());
    found.into_iter().find(|found: &Vec<_>| !found.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::Labels;
    use std::sync::Arc;

    fn proxy(pod: &str, namespace: &str, app: &str) -> Proxy {
        Proxy {
            name: format!("{pod}.{namespace}").into(),
            workload: None,
            namespace: namespace.into(),
            labels: Arc::new(Labels::from([("app".into(), app.into())])),
            addresses: vec![],
            locality: Default::default(),
            network: Default::default(),
            capture: Capture::Redirect,
            options: Default::default(),
            has_identity: true,
            dns_capture: false,
            settings: None,
            cluster: Default::default(),
            self_discovery: false,
        }
    }

    #[test]
    fn names_of_clients() {
        let proxies = [
            proxy("cart-v1-0", "shop", "cart"),
            proxy("cart-v1-1", "shop", "cart"),
            proxy("sleep-0", "shop", "sleep"),
            proxy("sleep-0", "other", "sleep"),
        ];
        let of = |wanted: &str| choose(&proxies, wanted).map(|proxy| proxy.name.to_string());
        for wanted in ["cart", "cart-v1", "cart-v1-0", "cart.shop", "cart-v1-0.shop"] {
            assert_eq!(of(wanted).as_deref(), Ok("cart-v1-0.shop"), "{wanted}");
        }
        assert_eq!(of("sleep.other").as_deref(), Ok("sleep-0.other"));
        let error = |wanted: &str| of(wanted).unwrap_err().to_string();
        assert_eq!(
            error("sleep"),
            "`sleep` is in several namespaces: write one of sleep-0.other, sleep-0.shop"
        );
        let of_connected =
            |proxies: &[Proxy]| choose(proxies, "nobody").unwrap_err().among_connected().to_string();
        assert!(
            of_connected(&proxies)
                .starts_with("no proxy of `nobody` is connected: there are cart-v1-0.shop, ")
        );
        assert!(
            of_connected(&[])
                .starts_with("no proxy of `nobody` is connected: there is none at all (`--from`")
        );
        assert!(error("nobody").starts_with("there is no workload `nobody`; there are: cart-v1-0.shop"));
    }
}
