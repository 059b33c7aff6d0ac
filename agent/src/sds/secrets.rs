//! An identity as Envoy has it.
//!
//! In: an [`Identity`] and a name. Out: the secret of that name with its version, which is new exactly when the secret is another one.

use mesh_proto::{
    envoy::{
        config::core::v3::{DataSource, data_source::Specifier},
        extensions::transport_sockets::tls::v3::{
            CertificateValidationContext, Secret, TlsCertificate, secret::Type,
        },
    },
    google::protobuf::Any,
    pack,
};

use super::files;
use crate::Identity;

/// The secret that is the workload's certificate and key.
pub const CERTIFICATE: &str = "default";
/// The secret that is the mesh's roots.
pub const ROOTS: &str = "ROOTCA";

/// The type of secrets.
pub(super) const TYPE_URL: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// A secret of the identity and its version; `None`: it has none of this name.
fn of_identity(identity: &Identity, name: &str) -> Option<(String, Type)> {
    match name {
        CERTIFICATE => {
            let certificate = TlsCertificate {
                certificate_chain: inline(identity.credential.chain_pem()),
                private_key: inline(identity.credential.key_pem()),
                ..Default::default()
            };
            Some((identity.credential.facts().serial.clone(), Type::TlsCertificate(certificate)))
        }
        ROOTS => {
            let roots = CertificateValidationContext {
                trusted_ca: inline(identity.trusted.pem()),
                ..Default::default()
            };
            Some((identity.trusted.digest().to_string(), Type::ValidationContext(roots)))
        }
        _ => None,
    }
}

/// A secret as it is now, and its version; `None`: there is none, or none yet.
pub(super) fn build(identity: &Identity, name: &str) -> Option<(String, Any)> {
    let (version, kind) = of_identity(identity, name).or_else(|| files::read(name))?;
    Some((version, pack(&Secret { name: name.to_owned(), r#type: Some(kind) })))
}

/// Whether there is ever a secret of this name.
pub(super) fn is_known(name: &str) -> bool {
    matches!(name, CERTIFICATE | ROOTS) || files::is_file(name)
}

pub(super) fn inline(text: &str) -> Option<DataSource> {
    let specifier = Some(Specifier::InlineBytes(text.as_bytes().to_vec().into()));
    Some(DataSource { specifier, ..Default::default() })
}
