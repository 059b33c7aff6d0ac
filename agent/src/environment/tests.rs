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
    std::fs::write(
        info.join("labels"),
        "app=\"web\"\nistio-locality=\"no\"\ntopology.istio.io/locality=\"r.z.s\"\n",
    )
    .unwrap();
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

#[test]
fn keys_are_of_the_kind_that_is_asked_for() {
    use mesh_pki::keys::KeyKind;
    let root = tempfile::tempdir().unwrap();
    let key = |more: &[(&str, &str)]| {
        read(injected(more), flags(root.path())).map(|read| read.agent.workload.authority.key)
    };
    for (more, expected) in [
        (&[][..], KeyKind::P256),
        (&[("ECC_SIGNATURE_ALGORITHM", "ECDSA")], KeyKind::P256),
        (&[("ECC_SIGNATURE_ALGORITHM", "ECDSA"), ("ECC_CURVE", "P384")], KeyKind::P384),
        (&[("ECC_SIGNATURE_ALGORITHM", "ECDSA"), ("WORKLOAD_RSA_KEY_SIZE", "2048")], KeyKind::P256),
        (&[("WORKLOAD_RSA_KEY_SIZE", "2048")], KeyKind::Rsa2048),
        (&[("WORKLOAD_RSA_KEY_SIZE", "4096")], KeyKind::Rsa4096),
    ] {
        assert_eq!(key(more).unwrap(), expected, "{more:?}");
    }
    for (name, value) in
        [("ECC_SIGNATURE_ALGORITHM", "RSA"), ("ECC_CURVE", "P521"), ("WORKLOAD_RSA_KEY_SIZE", "1024")]
    {
        let error = key(&[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: `{value}` is none of ")), "{error}");
    }
}

#[test]
fn what_has_no_effect_is_told_with_what_to_do_instead() {
    let root = tempfile::tempdir().unwrap();
    let told = |name: &str, value: &str| {
        read(injected(&[(name, value)]), flags(root.path())).unwrap().unsupported.join("\n")
    };
    for (name, value, instead) in [
        ("FILE_MOUNTED_CERTS", "true", "name the files"),
        ("OUTPUT_CERTS", "/etc/istio-output-certs", "Workload API"),
        ("CA_PROVIDER", "GoogleCA", "CreateCertificate"),
        ("PILOT_CERT_PROVIDER", "kubernetes", "CA_ROOT_CA"),
    ] {
        let told = told(name, value);
        assert!(told.starts_with(name) && told.contains("NotSupported") && told.contains(instead), "{told}");
    }
    for (name, value) in [
        ("OUTPUT_CERTS", ""),
        ("FILE_MOUNTED_CERTS", "false"),
        ("CA_PROVIDER", "Citadel"),
        ("PILOT_CERT_PROVIDER", "k8s.io/clusterissuers.cert-manager.io/mesh"),
    ] {
        assert_eq!(told(name, value), "", "{name}={value}");
    }
    let error = read(injected(&[("CA_ROOT_CA", "SYSTEM")]), flags(root.path())).unwrap_err().to_string();
    assert!(error.contains("name the file"), "{error}");
}
