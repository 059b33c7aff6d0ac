//! Endpoint metadata: who runs there (`istio`), for metrics and access logs, and whether it takes mutual TLS.

use crate::envoy::core;
use crate::metadata::{istio, structure, text};
use crate::names::TRANSPORT_SOCKET_MATCH;
use mesh_model::{Endpoint, Labels};

/// The metadata of an endpoint; `None` when there is nothing to say.
pub(super) fn build_metadata(endpoint: &Endpoint) -> Option<core::Metadata> {
    let Endpoint {
        address: _, // The endpoint's own fields, as the next four.
        port: _,
        weight: _,
        health: _,
        locality: _,
        labels,
        service_account: _, // Checked by the cluster's transport socket, not told to it here.
        workload,
        namespace,
        network: _,  // Decided by the control plane.
        node: _,     // The same.
        hostname: _, // Only told to those that resolve names.
        mtls,
    } = endpoint;
    let mut metadata = if workload.is_empty() {
        core::Metadata::default()
    } else {
        let workload = describe(workload_name(workload, labels), namespace, labels);
        istio(structure([("workload", text(workload))]))
    };
    if *mtls {
        let tls_mode = structure([("tlsMode", text("istio"))]);
        metadata.filter_metadata.insert(TRANSPORT_SOCKET_MATCH.to_owned(), tls_mode);
    }
    (!metadata.filter_metadata.is_empty()).then_some(metadata)
}

/// Istio's `workload;namespace;canonical name;canonical revision;cluster`. What can be left out is: a canonical name
/// that no label gives, the revision `latest`, and the cluster, of which there is one.
fn describe(workload: &str, namespace: &str, labels: &Labels) -> String {
    let name = first(labels, &["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"])
        .unwrap_or_default();
    let revision =
        first(labels, &["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"])
            .filter(|revision| *revision != "latest")
            .unwrap_or_default();
    format!("{workload};{namespace};{name};{revision};")
}

fn first<'a>(labels: &'a Labels, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| labels.get(*key)).map(|value| &**value)
}

/// The name of what the endpoint is a replica of. Metrics are labelled with it, so it must not be a pod's own name,
/// which is new with each rollout.
fn workload_name<'a>(pod: &'a str, labels: &'a Labels) -> &'a str {
    if let Some(name) = labels.get("service.istio.io/workload-name") {
        return name;
    }
    // A Deployment's pod is `<deployment>-<hash>-<suffix>`, and the hash is a label.
    if let Some(hash) = labels.get("pod-template-hash")
        && let Some((head, _suffix)) = pod.rsplit_once('-')
        && let Some(name) = head.strip_suffix(&**hash).and_then(|name| name.strip_suffix('-'))
    {
        return name;
    }
    // Of a StatefulSet or DaemonSet it is `<set>-<index or suffix>`.
    if labels.contains_key("controller-revision-hash")
        && let Some((name, _suffix)) = pod.rsplit_once('-')
    {
        return name;
    }
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn replicas_share_the_name_of_their_workload() {
        let deployment = labels(&[("pod-template-hash", "6d8f9bcb5f")]);
        assert_eq!(workload_name("reviews-v1-6d8f9bcb5f-x7k2p", &deployment), "reviews-v1");
        let set = labels(&[("controller-revision-hash", "db-74b7f7c9")]);
        assert_eq!(workload_name("db-0", &set), "db");
        let named = labels(&[("service.istio.io/workload-name", "vm"), ("pod-template-hash", "1")]);
        assert_eq!(workload_name("anything", &named), "vm");
        assert_eq!(workload_name("vm-1", &labels(&[])), "vm-1");
    }

    #[test]
    fn what_is_latest_or_unknown_is_left_out() {
        let labels = labels(&[("app", "reviews"), ("version", "latest")]);
        assert_eq!(describe("reviews-v1", "shop", &labels), "reviews-v1;shop;reviews;;");
        assert_eq!(describe("vm", "shop", &Labels::new()), "vm;shop;;;");
    }
}
