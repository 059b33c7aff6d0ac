//! `tls`: how clients secure their connections. Where it asks for what cannot be done, nothing is sent: plaintext would be what the user
//! has asked not to send.

mod credential;

use crate::at::At;
use credential::{Named, parse_credential};
use mesh_api::networking::traffic_policy as api;
use mesh_model::{
    Authorities, AuthoritySource, Certificate, ClientTls, GivenTls, Problem, Reason, Severity, Str,
};

/// `caCertificates` for those of the operating system.
pub const SYSTEM: &str = "system";

/// Reads the block. `selects`: it is for selected clients of the rule's own namespace alone.
pub fn parse_tls(block: api::ClientTlsSettings, selects: bool, at: &At<'_>) -> ClientTls {
    let api::ClientTlsSettings {
        mode,
        client_certificate,
        private_key,
        ca_certificates,
        credential_name,
        subject_alt_names,
        sni,
        insecure_skip_verify,
        ca_crl,
    } = block;
    let errors = at.errors();
    let file = |text: Option<String>, name: &str| parse_file(text, &at.field(name));
    let (certificate, key) = (file(client_certificate, "clientCertificate"), file(private_key, "privateKey"));
    let authorities = file(ca_certificates, "caCertificates");
    let revoked = file(ca_crl, "caCrl");
    let names = parse_names(&subject_alt_names);
    let server_name = sni.filter(|name| !name.is_empty()).map(Str::from);
    let mode = match mode {
        None | Some(api::ClientTlsMode::Disable) => {
            let says_more = [&certificate, &key, &authorities, &revoked, &server_name];
            if says_more.into_iter().any(Option::is_some) || !names.is_empty() || credential_name.is_some() {
                let hint = "write `mode: SIMPLE` or `mode: MUTUAL` for TLS, or leave the rest out";
                let message = "connections are made without TLS, so what else is said of it has no effect";
                at.field("mode").warning_hint(Reason::Conflict, message, hint);
            }
            return ClientTls::Disable;
        }
        Some(api::ClientTlsMode::IstioMutual) => {
            for (name, set) in [
                ("clientCertificate", certificate.is_some()),
                ("privateKey", key.is_some()),
                ("caCertificates", authorities.is_some()),
                ("credentialName", credential_name.is_some_and(|name| !name.is_empty())),
            ] {
                if set {
                    let hint = "leave it out, or write `mode: MUTUAL`";
                    at.field(name).error_hint(
                        Reason::Conflict,
                        "ISTIO_MUTUAL uses the mesh's own certificates",
                        hint,
                    );
                }
            }
            at.not_supported("caCrl", revoked.is_some());
            return ClientTls::Mesh { server_name, names };
        }
        Some(mode @ (api::ClientTlsMode::Simple | api::ClientTlsMode::Mutual)) => mode,
    };
    let mutual = matches!(mode, api::ClientTlsMode::Mutual);
    let credential = credential_name.filter(|name| !name.is_empty());
    let of_gateways = !selects && credential.as_deref().is_some_and(credential::is_for_gateways);
    let mut named = None;
    let certificate = match &credential {
        Some(name) => {
            let effect = if of_gateways { "" } else { ", so nothing is sent to this host" };
            for (name, set, hint) in [
                ("clientCertificate", certificate.is_some(), "leave out this, or credentialName"),
                ("privateKey", key.is_some(), "leave out this, or credentialName"),
                ("caCertificates", authorities.is_some(), "leave out this, or credentialName"),
                ("caCrl", revoked.is_some(), "put the lists beside the authorities, as ca.crl"),
            ] {
                if set {
                    let message = format!("the credential has its place{effect}");
                    at.field(name).error_hint(Reason::Conflict, message, hint);
                }
            }
            let at = at.field("credentialName");
            if of_gateways {
                at.warning_hint(
                    Reason::NotSupported,
                    "this block is for gateways, as in Istio: sidecars get Secrets by rules for selected workloads only, and connect as if it were not there",
                    "add a `workloadSelector`, or mount the Secret and name its files, if sidecars are to add TLS",
                );
                return ClientTls::OfGateways;
            }
            named = parse_credential(name, mutual, &at);
            match &named {
                Some(Named::Secret(name)) if mutual => Some(Certificate::Credential(name.clone())),
                Some(Named::Secret(_) | Named::ConfigMap(_)) | None => None,
            }
        }
        None => parse_certificate(certificate, key, mutual, at),
    };
    if at.errors() > errors {
        return ClientTls::Impossible;
    }
    let names_authorities = authorities.is_some();
    if credential.is_none() && !names_authorities && !insecure_skip_verify.unwrap_or(false) {
        let message =
            "the server may have a certificate of any authority that the proxy's operating system trusts";
        let problem =
            Problem::new(Severity::Info, Reason::Required, at.field("caCertificates").path(), message);
        at.report(
            problem.hint("write `caCertificates: system` if that is meant, or the file of its authorities"),
        );
    }
    let source = match (named, authorities) {
        (Some(Named::Secret(name)), _) => AuthoritySource::Credential(name),
        (Some(Named::ConfigMap(name)), _) => AuthoritySource::ConfigMap(name),
        (None, Some(file)) if *file != *SYSTEM => AuthoritySource::File(file),
        (None, Some(_) | None) => AuthoritySource::System,
    };
    let authorities = match insecure_skip_verify.unwrap_or(false) {
        true => {
            let ignored = names_authorities || !names.is_empty() || revoked.is_some();
            if ignored {
                at.field("insecureSkipVerify").warning_hint(
                    Reason::Conflict,
                    "any certificate is accepted, whatever else is said of it here",
                    "leave insecureSkipVerify out, or the rest",
                );
            }
            None
        }
        false => Some(Authorities { source, revoked }),
    };
    ClientTls::Given(GivenTls { certificate, authorities, names, server_name })
}

/// `clientCertificate` and `privateKey`.
fn parse_certificate(
    certificate: Option<Str>,
    key: Option<Str>,
    mutual: bool,
    at: &At<'_>,
) -> Option<Certificate> {
    match (certificate, key) {
        (Some(chain), Some(key)) if mutual => Some(Certificate::Files { chain, key }),
        (certificate, key) if mutual => {
            for (name, missing) in
                [("clientCertificate", certificate.is_none()), ("privateKey", key.is_none())]
            {
                if missing {
                    at.field(name).error_hint(
                        Reason::Required,
                        "MUTUAL needs a certificate and its key, so nothing is sent to this host", "name the file in the proxy's container, or a Secret with `credentialName`; without a certificate of its own the mode is SIMPLE");
                }
            }
            None
        }
        (None, None) => None,
        (Some(_), _) | (_, Some(_)) => {
            let hint = "write `mode: MUTUAL` to show it";
            at.field("clientCertificate").warning_hint(Reason::Conflict, "SIMPLE shows no certificate", hint);
            None
        }
    }
}

/// The name of a file in the proxy's container. It becomes part of the name of a secret, in which `~` parts two names.
pub fn parse_file(text: Option<String>, at: &At<'_>) -> Option<Str> {
    let text = text.filter(|text| !text.is_empty())?;
    if text.contains('~') || text.chars().any(char::is_control) {
        at.error_hint(
            Reason::InvalidValue,
            "the name of a file has no `~`, and no control characters",
            "rename the file in the container, and write its new name",
        );
        return None;
    }
    Some(text.into())
}

/// Names of certificates.
pub fn parse_names(names: &[String]) -> Vec<Str> {
    names.iter().filter(|name| !name.is_empty()).map(|name| name.as_str().into()).collect()
}
