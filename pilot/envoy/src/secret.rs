//! Secrets. In: a [`SecretSpec`]. Out: `envoy.extensions.transport_sockets.tls.v3.Secret`.

use crate::envoy::core::{DataSource, data_source::Specifier};
use crate::envoy::tls::{CertificateValidationContext, Secret, TlsCertificate, secret};
use mesh_model::{KeyPair, TrustedAuthorities};
use pilot_view::spec::{SecretContent, SecretSpec};

/// The secret that the spec describes.
pub fn build_secret(spec: &SecretSpec) -> Secret {
    let SecretSpec { name, content, origins: _ } = spec;
    let r#type = match content {
        SecretContent::Certificate(KeyPair { chain, key }) => secret::Type::TlsCertificate(TlsCertificate {
            certificate_chain: Some(inline(chain)),
            private_key: Some(inline(key.reveal())),
            ..Default::default()
        }),
        SecretContent::Authorities(TrustedAuthorities { certificates, revoked }) => {
            secret::Type::ValidationContext(CertificateValidationContext {
                trusted_ca: Some(inline(certificates)),
                crl: revoked.as_deref().map(inline),
                ..Default::default()
            })
        }
    };
    Secret { name: name.to_string(), r#type: Some(r#type) }
}

/// As bytes, as Istio sends them.
fn inline(text: &str) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(text.as_bytes().to_vec().into())),
        ..Default::default()
    }
}
