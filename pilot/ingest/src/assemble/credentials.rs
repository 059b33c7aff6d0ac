//! Credentials: what a `credentialName` comes to.
//!
//! In: the DestinationRules that name one, and what it may be in: the Secret of that name, and for authorities `<name>-cacert`
//! first; or the ConfigMap. Out: credentials of the mesh, and which Secrets and ConfigMaps are wanted at all.

use super::{Dirty, Ingest};
use crate::kinds::{KeyMaterial, Model};
use mesh_model::{
    ChangeSet, Credential, KeyPair, Kind, Mesh, NamespacedName, ObjectRef, Str, TrustedAuthorities,
};
use std::{collections::BTreeSet, sync::Arc};

/// What the name of a Secret ends in that has authorities alone. Istio's.
pub const AUTHORITIES_SUFFIX: &str = "-cacert";

/// The Secret that has the authorities of a credential, if it has one for these alone. A ConfigMap has nothing else.
fn of_authorities(object: &ObjectRef) -> Option<ObjectRef> {
    let NamespacedName { namespace, name } = &object.name;
    let beside = || ObjectRef::new(Kind::Secret, namespace.clone(), format!("{name}{AUTHORITIES_SUFFIX}"));
    (object.kind == Kind::Secret).then(beside)
}

impl Ingest {
    /// The Secrets and ConfigMaps that somebody names. Nobody needs to hear of others.
    pub fn wanted(&self) -> BTreeSet<ObjectRef> {
        let named = self.joins.rules_of_credential.keys();
        named.flat_map(|object| [Some(object.clone()), of_authorities(object)]).flatten().collect()
    }

    /// Whether all that are wanted have been looked for.
    pub fn knows_wanted(&self) -> bool {
        self.wanted().iter().all(|object| self.key_material(object).is_some())
    }

    /// A Secret or ConfigMap differs.
    pub(super) fn credential_changed(object: &ObjectRef, dirty: &mut Dirty) {
        let NamespacedName { namespace, name } = &object.name;
        if let Some(name) = name.strip_suffix(AUTHORITIES_SUFFIX)
            && object.kind == Kind::Secret
        {
            dirty.credentials.insert(ObjectRef::new(object.kind, namespace.clone(), name));
        }
        dirty.credentials.insert(object.clone());
    }

    /// Derives one again.
    pub(super) fn settle_credential(&self, object: ObjectRef, mesh: &mut Mesh, changes: &mut ChangeSet) {
        let named_by: Vec<ObjectRef> = self.joins.rules_of_credential.of(&object).cloned().collect();
        let credential = (!named_by.is_empty()).then(|| self.credential(&object, named_by)).flatten();
        mesh.set_credential(object, credential.map(Arc::new), changes);
    }

    /// What is known of a Secret or ConfigMap; `None`: nobody has looked yet.
    fn key_material(&self, object: &ObjectRef) -> Option<KeyMaterial> {
        match self.store.model(object) {
            Some(Model::KeyMaterial(found)) => Some((**found).clone()),
            // All files are read, and what is not in them is not there.
            _ if !self.context.is_cluster => Some(KeyMaterial::Absent),
            _ => None,
        }
    }

    fn credential(&self, object: &ObjectRef, named_by: Vec<ObjectRef>) -> Option<Credential> {
        let (certificate, own_authorities) = halves(object, self.key_material(object)?);
        let authorities = match of_authorities(object) {
            None => own_authorities,
            Some(beside) => match self.key_material(&beside)? {
                KeyMaterial::Absent => own_authorities,
                found => halves(&beside, found).1,
            },
        };
        Some(Credential { certificate, authorities, named_by })
    }
}

/// Both halves of a Secret or ConfigMap; of one that is missing, why.
fn halves(
    object: &ObjectRef,
    material: KeyMaterial,
) -> (Result<KeyPair, Str>, Result<TrustedAuthorities, Str>) {
    let told = |why: Str| -> Str { format!("{object}: {why}").into() };
    match material {
        KeyMaterial::Found { certificate, authorities } => {
            (certificate.map_err(told), authorities.map_err(told))
        }
        KeyMaterial::Absent => {
            let why: Str = format!("there is no {object}").into();
            (Err(why.clone()), Err(why))
        }
        KeyMaterial::Closed(why) => (Err(told(why.clone())), Err(told(why))),
    }
}
