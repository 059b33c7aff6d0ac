//! Credentials: what a `credentialName` comes to.
//!
//! In: the DestinationRules that name one, and the Secrets that it may be in: the one of that name, and for authorities `<name>-cacert`
//! first. Out: credentials of the mesh, and which Secrets are wanted at all.

use super::{Dirty, Ingest};
use crate::kinds::{Model, Secret};
use mesh_model::{
    ChangeSet, Credential, KeyPair, Kind, Mesh, NamespacedName, ObjectRef, Str, TrustedAuthorities,
};
use std::{collections::BTreeSet, sync::Arc};

/// What the name of a Secret ends in that has authorities alone. Istio's.
pub const AUTHORITIES_SUFFIX: &str = "-cacert";

/// The Secret that has the authorities of a credential, if it has one for these alone.
fn of_authorities(name: &NamespacedName) -> NamespacedName {
    NamespacedName::new(name.namespace.clone(), format!("{}{AUTHORITIES_SUFFIX}", name.name))
}

fn secret(name: NamespacedName) -> ObjectRef {
    ObjectRef { kind: Kind::Secret, name }
}

impl Ingest {
    /// The Secrets that somebody names. Nobody needs to hear of others.
    pub fn wanted_secrets(&self) -> BTreeSet<NamespacedName> {
        self.joins.rules_of_credential.keys().flat_map(|name| [name.clone(), of_authorities(name)]).collect()
    }

    /// Whether all that are wanted have been looked for.
    pub fn knows_secrets(&self) -> bool {
        self.wanted_secrets().into_iter().all(|name| self.secret(name).is_some())
    }

    /// A Secret differs.
    pub(super) fn secret_changed(object: &ObjectRef, dirty: &mut Dirty) {
        let NamespacedName { namespace, name } = &object.name;
        if let Some(name) = name.strip_suffix(AUTHORITIES_SUFFIX) {
            dirty.credentials.insert(NamespacedName::new(namespace.clone(), name));
        }
        dirty.credentials.insert(object.name.clone());
    }

    /// Derives one again.
    pub(super) fn settle_credential(&self, name: NamespacedName, mesh: &mut Mesh, changes: &mut ChangeSet) {
        let named_by: Vec<ObjectRef> = self.joins.rules_of_credential.of(&name).cloned().collect();
        let credential = (!named_by.is_empty()).then(|| self.credential(&name, named_by)).flatten();
        mesh.set_credential(name, credential.map(Arc::new), changes);
    }

    /// What is known of a Secret; `None`: nobody has looked yet.
    fn secret(&self, name: NamespacedName) -> Option<Secret> {
        match self.store.model(&secret(name)) {
            Some(Model::Secret(found)) => Some((**found).clone()),
            // All files are read, and what is not in them is not there.
            _ if !self.context.is_cluster => Some(Secret::Absent),
            _ => None,
        }
    }

    fn credential(&self, name: &NamespacedName, named_by: Vec<ObjectRef>) -> Option<Credential> {
        let beside = of_authorities(name);
        let (certificate, own_authorities) = halves(name, self.secret(name.clone())?);
        let authorities = match self.secret(beside.clone())? {
            Secret::Absent => own_authorities,
            found => halves(&beside, found).1,
        };
        Some(Credential { certificate, authorities, named_by })
    }
}

/// Both halves of a Secret; of one that is missing, why.
fn halves(name: &NamespacedName, secret: Secret) -> (Result<KeyPair, Str>, Result<TrustedAuthorities, Str>) {
    let told = |why: Str| -> Str { format!("Secret {name}: {why}").into() };
    match secret {
        Secret::Found { certificate, authorities } => (certificate.map_err(told), authorities.map_err(told)),
        Secret::Absent => {
            let why: Str = format!("there is no Secret {name}").into();
            (Err(why.clone()), Err(why))
        }
        Secret::Closed(why) => (Err(told(why.clone())), Err(told(why))),
    }
}
