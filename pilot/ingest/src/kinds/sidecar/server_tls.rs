//! `tls` of an ingress listener: how connections of clients outside the mesh are secured.
//!
//! As in Istio, certificates are in files of the proxy's container. What can't be done makes the listener none: everything here keeps
//! somebody out.

use crate::{
    at::At,
    kinds::{
        mesh_config::parse_cipher_suites,
        traffic_policy::{SYSTEM, parse_file, parse_names},
    },
};
use k8s_openapi::ByteString;
use mesh_api::networking::server_tls as api;
use mesh_model::{
    Authorities, AuthoritySource, ClientCheck, Pins, Problem, Reason, ServerTls, Str, TlsVersion,
};
use serde_json::Value;

/// Bytes of a SHA-256.
const HASH: usize = 32;

/// Reads the block; `None`: the port is not to be served.
pub fn parse_server_tls(block: api::ServerTlsSettings, at: &At<'_>) -> Option<ServerTls> {
    let api::ServerTlsSettings {
        https_redirect,
        mode,
        server_certificate,
        private_key,
        ca_certificates,
        ca_crl,
        credential_name,
        credential_names,
        ca_cert_credential_name,
        tls_certificates,
        subject_alt_names,
        verify_certificate_spki,
        verify_certificate_hash,
        min_protocol_version,
        max_protocol_version,
        cipher_suites,
        insecure_skip_verify,
    } = block;
    let errors = at.errors();
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    for (name, set, hint) in [
        ("httpsRedirect", https_redirect.unwrap_or(false), "a sidecar redirects nobody: leave it out"),
        ("credentialName", is_set(&credential_name), "mount the Secret into the proxy, and name the files"),
        (
            "credentialNames",
            !credential_names.is_empty(),
            "mount the Secrets into the proxy, and name the files",
        ),
        (
            "caCertCredentialName",
            is_set(&ca_cert_credential_name),
            "mount the Secret into the proxy, and name the file: caCertificates",
        ),
        (
            "insecureSkipVerify",
            insecure_skip_verify.unwrap_or(false),
            "write `mode: SIMPLE` to let everybody in",
        ),
    ] {
        if set {
            let message = "not supported for sidecars, so this port is not served";
            at.report(Problem::error(Reason::NotSupported, at.field(name).path(), message).hint(hint));
        }
    }
    let is_required = match mode {
        Some(api::ServerTlsMode::Simple) => None,
        Some(api::ServerTlsMode::Mutual) => Some(true),
        Some(api::ServerTlsMode::OptionalMutual) => Some(false),
        None
        | Some(
            api::ServerTlsMode::Passthrough
            | api::ServerTlsMode::AutoPassthrough
            | api::ServerTlsMode::IstioMutual,
        ) => {
            at.field("mode").error_hint(
                Reason::InvalidValue,
                "a sidecar ends TLS in no such way, so this port is not served",
                "write SIMPLE, MUTUAL or OPTIONAL_MUTUAL; mTLS of the mesh needs no `tls`",
            );
            return None;
        }
    };
    let certificates = match tls_certificates.is_empty() {
        true => parse_pair(server_certificate, private_key, at).into_iter().collect(),
        false => {
            let at = at.field("tlsCertificates");
            let pairs = tls_certificates.into_iter().enumerate();
            let pairs = pairs.filter_map(|(index, pair)| {
                let api::TlsCertificate { server_certificate, private_key, ca_certificates } = pair;
                let at = at.index(index);
                if is_set(&ca_certificates) {
                    at.field("caCertificates").warning_hint(
                        Reason::NotSupported,
                        "here authorities are the whole port's, so this has no effect",
                        "write it beside `tlsCertificates`",
                    );
                }
                parse_pair(server_certificate, private_key, &at)
            });
            pairs.collect()
        }
    };
    let authorities = parse_file(ca_certificates, &at.field("caCertificates"));
    let revoked = parse_file(ca_crl, &at.field("caCrl"));
    let names = parse_names(&subject_alt_names);
    let pins = parse_pins(&verify_certificate_spki, &verify_certificate_hash, at);
    let clients = match (is_required, authorities) {
        (Some(_), None) => {
            at.field("caCertificates").error_hint(
                Reason::Required,
                "clients are to show certificates, but of which authority? This port is not served",
                "name the file of its certificates, or write `mode: SIMPLE` to ask for none",
            );
            None
        }
        (Some(is_required), Some(file)) => {
            let source = match &*file {
                SYSTEM => AuthoritySource::System,
                _ => AuthoritySource::File(file),
            };
            Some(ClientCheck { authorities: Authorities { source, revoked }, names, pins, is_required })
        }
        (None, authorities) => {
            if authorities.is_some() || revoked.is_some() || !names.is_empty() || pins != Pins::default() {
                let hint = "write `mode: MUTUAL` to ask for them";
                at.warning_hint(Reason::Conflict, "with SIMPLE, clients show no certificates", hint);
            }
            None
        }
    };
    let (min_version, max_version) =
        (min_protocol_version.and_then(version), max_protocol_version.and_then(version));
    if min_version.zip(max_version).is_some_and(|(min, max)| min > max) {
        at.field("maxProtocolVersion").error_hint(
            Reason::InvalidValue,
            "it is lower than minProtocolVersion, so this port is not served",
            "write the lower version as minProtocolVersion",
        );
    }
    // What is usual was made for TLS 1.2.
    if min_version.is_some_and(|version| version < TlsVersion::V1_2) && cipher_suites.is_empty() {
        at.field("minProtocolVersion").warning_hint(
            Reason::Conflict,
            "the usual ciphers came with TLS 1.2, so clients with an older version find none",
            "name older ones in `cipherSuites`, such as ECDHE-RSA-AES128-SHA, or write TLSV1_2",
        );
    }
    let cipher_suites = parse_cipher_suites(&cipher_suites, &at.field("cipherSuites"));
    (at.errors() == errors).then_some(ServerTls {
        certificates,
        clients,
        min_version,
        max_version,
        cipher_suites,
    })
}

/// Hashes as Envoy takes them: with one that is none it refuses the listener.
fn parse_pins(keys: &[String], certificates: &[String], at: &At<'_>) -> Pins {
    let (at_keys, at_certificates) = (at.field("verifyCertificateSpki"), at.field("verifyCertificateHash"));
    let key = |(index, text): (usize, &String)| {
        let decoded = serde_json::from_value::<ByteString>(Value::String(text.clone()));
        if decoded.is_ok_and(|bytes| bytes.0.len() == HASH) {
            return Some(Str::from(text.as_str()));
        }
        at_keys.index(index).error_hint(
            Reason::InvalidValue,
            format!("`{text}` is no SHA-256 in base64, so this port is not served"),
            "write what `openssl x509 -in client.pem -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64` prints",
        );
        None
    };
    let certificate = |(index, text): (usize, &String)| {
        // Both are usual: in one piece, and with a colon after each byte.
        let digits: String = text.split(':').collect();
        let pieces = text.contains(':').then(|| text.split(':').all(|piece| piece.len() == 2));
        let all = digits.len() == 2 * HASH && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if all && pieces != Some(false) {
            return Some(Str::from(digits.to_ascii_lowercase().as_str()));
        }
        at_certificates.index(index).error_hint(
            Reason::InvalidValue,
            format!("`{text}` is no SHA-256 in hex, so this port is not served"),
            "write what `openssl x509 -in client.pem -fingerprint -sha256 -noout` prints behind the `=`",
        );
        None
    };
    Pins {
        keys: keys.iter().enumerate().filter_map(key).collect(),
        certificates: certificates.iter().enumerate().filter_map(certificate).collect(),
    }
}

fn parse_pair(certificate: Option<String>, key: Option<String>, at: &At<'_>) -> Option<(Str, Str)> {
    let certificate_file = parse_file(certificate, &at.field("serverCertificate"));
    let key_file = parse_file(key, &at.field("privateKey"));
    for (name, missing) in
        [("serverCertificate", certificate_file.is_none()), ("privateKey", key_file.is_none())]
    {
        if missing {
            at.field(name).error_hint(
                Reason::Required,
                "TLS needs a certificate and its key; this port is not served",
                "name both files in the proxy's container, as in /etc/certs/tls.crt and /etc/certs/tls.key",
            );
        }
    }
    certificate_file.zip(key_file)
}

fn version(version: api::TlsProtocol) -> Option<TlsVersion> {
    match version {
        api::TlsProtocol::Auto => None,
        api::TlsProtocol::V1_0 => Some(TlsVersion::V1_0),
        api::TlsProtocol::V1_1 => Some(TlsVersion::V1_1),
        api::TlsProtocol::V1_2 => Some(TlsVersion::V1_2),
        api::TlsProtocol::V1_3 => Some(TlsVersion::V1_3),
    }
}
