//! What a pod's environment says of certificates, in the words of Istio's agent.
//!
//! In: variables. Out: the kind of key to ask for, and what is set and has no effect here.

use mesh_pki::keys::KeyKind;

use super::{EnvironmentError, Variables};

/// What switches something on that is not there, and what to do instead.
const SWITCHES: [(&str, &str); 7] = [
    ("ISTIO_BOOTSTRAP_OVERRIDE", "the bootstrap is always made here"),
    ("ISTIO_BOOTSTRAP", "the bootstrap is always made here"),
    (
        "FILE_MOUNTED_CERTS",
        "name the files in DestinationRules and Sidecars, whose agents hand them to Envoy",
    ),
    ("OUTPUT_CERTS", "keys never leave the agent; SPIFFE's Workload API gives them to programs"),
    ("PROV_CERT", "the token of the service account proves who the workload is"),
    ("XDS_AUTH_PROVIDER", "the token of the service account is sent"),
    ("CREDENTIAL_FETCHER_TYPE", "the token of the service account is sent"),
];

/// What chooses among several of which there is one here: the values that mean that one, and what to do instead.
const CHOICES: [(&str, &[&str], &str); 2] = [
    ("CA_PROVIDER", &["Citadel"], "the authority at CA_ADDR must speak Istio's CreateCertificate"),
    (
        "PILOT_CERT_PROVIDER",
        &["istiod"],
        "where the control plane's roots are not in istio-ca-root-cert, name their file: CA_ROOT_CA and XDS_ROOT_CA",
    ),
];

/// What is set and has no effect.
pub(super) fn unsupported(variables: &Variables) -> Vec<String> {
    let is_on = |(name, _): &(&str, &str)| {
        variables.get(name).is_some_and(|value| !matches!(value, "false" | "none" | "JWT"))
    };
    let switches = SWITCHES.into_iter().filter(is_on);
    let of_signer = |value: &str| value.starts_with("k8s.io/");
    let choices = CHOICES.into_iter().filter(|(name, here, _)| {
        variables.get(name).is_some_and(|value| !here.contains(&value) && !of_signer(value))
    });
    let all = switches.chain(choices.map(|(name, _, instead)| (name, instead)));
    all.map(|(name, instead)| format!("{name} is not supported (NotSupported) and has no effect: {instead}"))
        .collect()
}

/// The kind of key to ask for: P-256 where nobody says.
pub(super) fn key(variables: &Variables) -> Result<KeyKind, EnvironmentError> {
    let none_of =
        |name: &str, value: &str, of: &str| EnvironmentError::new(name, format!("`{value}` is none of {of}"));
    let [algorithm, curve, size] =
        ["ECC_SIGNATURE_ALGORITHM", "ECC_CURVE", "WORKLOAD_RSA_KEY_SIZE"].map(|name| variables.get(name));
    if let Some(algorithm) = algorithm.filter(|algorithm| *algorithm != "ECDSA") {
        return Err(none_of("ECC_SIGNATURE_ALGORITHM", algorithm, "ECDSA"));
    }
    match (algorithm, curve, size) {
        (_, Some("P384"), _) => Ok(KeyKind::P384),
        (_, Some(curve), _) if curve != "P256" => Err(none_of("ECC_CURVE", curve, "P256, P384")),
        (None, None, Some("2048")) => Ok(KeyKind::Rsa2048),
        (None, None, Some("4096")) => Ok(KeyKind::Rsa4096),
        (None, None, Some(size)) => Err(none_of("WORKLOAD_RSA_KEY_SIZE", size, "2048, 4096")),
        (Some(_), _, _) | (None, Some(_) | None, _) => Ok(KeyKind::P256),
    }
}
