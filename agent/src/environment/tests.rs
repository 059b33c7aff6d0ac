//! What a pod's environment comes to.

use std::path::Path;

use super::*;

fn flags(root: &Path) -> Flags {
    Flags {
        role: Role::Sidecar,
        domain: Some("shop.svc.cluster.local".to_owned()),
        log_level: "warning".to_owned(),
        component_log_level: "misc:error".to_owned(),
        concurrency: None,
        bind: None,
        root: root.to_path_buf(),
        envoy: None,
    }
}

/// What Istio's injector sets, as far as it matters here.
const INJECTED: [(&str, &str); 13] = [
    ("PILOT_CERT_PROVIDER", "istiod"),
    ("CA_ADDR", "ca.istio-system.svc:15012"),
    ("POD_NAME", "web-0"),
    ("POD_NAMESPACE", "shop"),
    ("INSTANCE_IP", "10.0.0.1"),
    ("SERVICE_ACCOUNT", "web"),
    ("ISTIO_CPU_LIMIT", "2"),
    (
        "PROXY_CONFIG",
        r#"{"proxyMetadata":{"EXIT_ON_ZERO_ACTIVE_CONNECTIONS":"true","ISTIO_META_DNS_CAPTURE":"true"}}"#,
    ),
    ("ISTIO_META_POD_PORTS", r#"[{"containerPort":80}]"#),
    ("ISTIO_META_CLUSTER_ID", "east"),
    ("ISTIO_META_DNS_CAPTURE", "false"),
    ("ISTIO_METAJSON_ANNOTATED", r#"{"PLATFORM_METADATA":{"zone":"a"}}"#),
    ("TRUST_DOMAIN", "cluster.local"),
];

fn injected(more: &[(&str, &str)]) -> Vec<(String, String)> {
    INJECTED.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_istios_injector_sets_is_understood() {
    let root = tempfile::tempdir().unwrap();
    let info = root.path().join("etc/istio/pod");
    std::fs::create_dir_all(&info).unwrap();
    std::fs::write(info.join("labels"), "app=\"web\"\nistio-locality=\"r.z.s\"\n").unwrap();
    let Environment { agent, envoy, drain, extras: _, unsupported } =
        read(injected(&[]), flags(root.path())).unwrap();
    assert_eq!(unsupported, Vec::<String>::new());
    let node = &agent.node;
    assert_eq!(node.id(), "sidecar~10.0.0.1~web-0.shop~shop.svc.cluster.local");
    assert_eq!(node.cluster, "web.shop");
    assert_eq!((&*node.locality.region, &*node.locality.sub_zone), ("r", "s"));
    let text = |key: &str| node.metadata.get(key).and_then(Value::as_str);
    assert_eq!(text("NAMESPACE"), Some("shop"));
    assert_eq!(text("SERVICE_ACCOUNT"), Some("web"));
    assert_eq!(text("CLUSTER_ID"), Some("east"));
    assert_eq!(text("POD_PORTS"), Some(r#"[{"containerPort":80}]"#));
    assert_eq!(text("DNS_CAPTURE"), Some("false"), "the pod's own comes before the mesh's");
    assert_eq!(text("DELTA_NDS"), None, "nobody asks the agent for names");
    assert_eq!(node.metadata["PLATFORM_METADATA"]["zone"], "a");
    assert_eq!(node.metadata["LABELS"]["app"], "web");
    assert_eq!(agent.discovery.address, "istiod.istio-system.svc:15012");
    assert_eq!(agent.discovery.server_name, "istiod.istio-system.svc");
    assert_eq!(agent.workload.authority.address, "ca.istio-system.svc:15012");
    assert_eq!(agent.workload.authority.cluster, "east");
    assert_eq!(agent.workload.token, root.path().join("var/run/secrets/tokens/istio-token"));
    assert_eq!(envoy.concurrency, Some(2));
    assert_eq!(envoy.binary, root.path().join("usr/local/bin/envoy"));
    assert!(drain.until_idle);
    assert_eq!(agent.listen.health.to_string(), "0.0.0.0:15021");
    assert_eq!(agent.listen.admin.to_string(), "127.0.0.1:15000");
}

#[test]
fn what_makes_no_sense_is_named() {
    let root = tempfile::tempdir().unwrap();
    for (variable, value, named) in [
        ("POD_NAME", "", "POD_NAME"),
        ("INSTANCE_IP", "here", "`here`"),
        ("ENVOY_STATUS_PORT", "99999", "ENVOY_STATUS_PORT"),
        ("SECRET_TTL", "a day", "SECRET_TTL"),
        ("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "maybe", "EXIT_ON_ZERO_ACTIVE_CONNECTIONS"),
        ("ISTIO_METAJSON_X", "[]", "ISTIO_METAJSON_X"),
        ("PROXY_CONFIG", "statusPort: -1", "PROXY_CONFIG"),
    ] {
        let error = read(injected(&[(variable, value)]), flags(root.path())).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    let told = read(injected(&[("ISTIO_BOOTSTRAP_OVERRIDE", "/x")]), flags(root.path())).unwrap();
    assert!(told.unsupported[0].contains("ISTIO_BOOTSTRAP_OVERRIDE"), "{:?}", told.unsupported);
}
