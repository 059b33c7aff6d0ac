//! An identity as Envoy has it.
//!
//! In: an [`Identity`], what is revoked, and a name. Out: the secret of that name with its version, which is new exactly when the secret is another one.

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

use super::{files, revocations::Lists};
use crate::Identity;

/// The secret that is the workload's certificate and key.
pub const CERTIFICATE: &str = "default";
/// The secret that is the mesh's roots.
pub const ROOTS: &str = "ROOTCA";

/// The type of secrets.
pub(super) const TYPE_URL: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// What secrets are made of at the moment.
#[derive(Debug)]
pub(super) struct Now {
    pub(super) identity: Identity,
    pub(super) revoked: Lists,
}

/// A secret of the identity and its version; `None`: it has none of this name.
fn of_identity(now: &Now, name: &str) -> Option<(String, Type)> {
    let Now { identity, revoked } = now;
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
            let version = identity.trusted.digest();
            Some(match revoked {
                Lists::Unknown => return None,
                Lists::None => (version.to_string(), Type::ValidationContext(roots)),
                Lists::Some { lists, only_leaves } => {
                    let version = format!("{version}-{}-{only_leaves}", lists.digest());
                    let context = CertificateValidationContext {
                        crl: inline(lists.pem()),
                        only_verify_leaf_cert_crl: *only_leaves,
                        ..roots
                    };
                    (version, Type::ValidationContext(context))
                }
            })
        }
        _ => None,
    }
}

/// A secret as it is now, and its version; `None`: there is none, or none yet.
pub(super) fn build(now: &Now, name: &str) -> Option<(String, Any)> {
    let (version, kind) = of_identity(now, name).or_else(|| files::read(name))?;
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
