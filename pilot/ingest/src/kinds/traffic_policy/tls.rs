//! `tls`: how clients secure their connections. Where it asks for what cannot be done, nothing is sent: plaintext would be what the user
//! has asked not to send.

use crate::at::At;
use mesh_api::networking::traffic_policy as api;
use mesh_model::{Authorities, ClientTls, GivenTls, Problem, Reason, Str};

/// `caCertificates` for those of the operating system.
const SYSTEM: &str = "system";

/// Reads the block.
pub fn parse_tls(block: api::ClientTlsSettings, at: &At<'_>) -> ClientTls {
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
        None | Some(api::ClientTlsMode::Disable) => return ClientTls::Disable,
        Some(api::ClientTlsMode::IstioMutual) => {
            for (name, set) in [
                ("clientCertificate", certificate.is_some()),
                ("privateKey", key.is_some()),
                ("caCertificates", authorities.is_some()),
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
    if credential_name.is_some_and(|name| !name.is_empty()) {
        at.report(
            Problem::error(
                Reason::NotSupported,
                at.field("credentialName").path(),
                "Meltemi does not hand Secrets to sidecars yet, so nothing is sent to this host",
            )
            .hint("mount the Secret into the proxy, and name the files: clientCertificate, privateKey, caCertificates"),
        );
        return ClientTls::Impossible;
    }
    let mutual = matches!(mode, api::ClientTlsMode::Mutual);
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) if mutual => Some((certificate, key)),
        (certificate, key) if mutual => {
            for (name, missing) in
                [("clientCertificate", certificate.is_none()), ("privateKey", key.is_none())]
            {
                if missing {
                    at.field(name).error(
                        Reason::Required,
                        "MUTUAL needs a certificate and its key, so nothing is sent to this host",
                    );
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
    };
    if at.errors() > errors {
        return ClientTls::Impossible;
    }
    let authorities = match insecure_skip_verify.unwrap_or(false) {
        true => {
            let ignored = authorities.is_some() || !names.is_empty() || revoked.is_some();
            if ignored {
                at.field("insecureSkipVerify").warning(
                    Reason::Conflict,
                    "any certificate is accepted, whatever else is said of it here",
                );
            }
            None
        }
        false => Some(Authorities { file: authorities.filter(|file| **file != *SYSTEM), revoked }),
    };
    ClientTls::Given(GivenTls { certificate, authorities, names, server_name })
}

/// The name of a file in the proxy's container. It becomes part of the name of a secret, in which `~` parts two names.
pub fn parse_file(text: Option<String>, at: &At<'_>) -> Option<Str> {
    let text = text.filter(|text| !text.is_empty())?;
    if text.contains('~') || text.chars().any(char::is_control) {
        at.error(Reason::InvalidValue, "the name of a file has no `~`, and no control characters");
        return None;
    }
    Some(text.into())
}

/// Names of certificates.
pub fn parse_names(names: &[String]) -> Vec<Str> {
    names.iter().filter(|name| !name.is_empty()).map(|name| name.as_str().into()).collect()
}
