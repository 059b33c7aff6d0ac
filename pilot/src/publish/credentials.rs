//! Secrets that proxies ask for: by namespace, and by what of them a proxy may have.
//!
//! In: the credentials of the mesh. Out: two layers for each namespace that has any: all, for service accounts that may read Secrets, and
//! authorities alone, for all others that have proven to be of the namespace. Who has proven nothing gets neither.

use super::pool::Pool;
use mesh_model::{ChangeSet, Mesh, NamespacedName, Str};
use pilot_view::{
    derive_secrets,
    spec::{credential_authorities, credential_certificate},
};
use pilot_xds::{layer::Layer, resource::ResourceType};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// What of the secrets of its namespace a proxy may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clearance {
    /// Nothing.
    None,
    /// What is no secret.
    Authorities,
    /// All.
    Keys,
}

/// All secrets.
#[derive(Default)]
pub struct Credentials {
    of_namespace: HashMap<Str, Secrets>,
}

/// Those of one namespace.
struct Secrets {
    authorities: Arc<Layer>,
    all: Arc<Layer>,
    names: BTreeSet<Str>,
}

impl Credentials {
    /// Takes over what a change says of credentials.
    pub fn follow(&mut self, mesh: &Mesh, changes: &ChangeSet, pool: &Pool) {
        let ours = self.of_namespace.iter().flat_map(|(namespace, secrets)| {
            secrets.names.iter().map(|name| NamespacedName::new(namespace.clone(), name.clone()))
        });
        let changed: BTreeSet<NamespacedName> = match changes.everything {
            true => mesh.credentials().map(|(name, _)| name.clone()).chain(ours).collect(),
            false => changes.credentials.clone(),
        };
        for name in changed {
            self.set(&name, mesh, pool);
        }
    }

    fn set(&mut self, name: &NamespacedName, mesh: &Mesh, pool: &Pool) {
        let NamespacedName { namespace, name: short } = name;
        let credential = mesh.credential(name);
        let secrets = self.of_namespace.entry(namespace.clone()).or_insert_with(|| Secrets {
            authorities: Layer::empty(),
            all: Layer::empty(),
            names: BTreeSet::new(),
        });
        let [certificate, authorities] = credential
            .map_or([None, None], |credential| derive_secrets(short, credential))
            .map(|spec| spec.map(|spec| pool.get(&spec)));
        let names = [credential_certificate(short), credential_authorities(short)];
        secrets.all = secrets.all.edit(|edit| {
            for (name, resource) in names.iter().zip([&certificate, &authorities]) {
                match resource {
                    Some(resource) => edit.set(resource.clone()),
                    None => edit.remove(ResourceType::Secret, name),
                }
            }
        });
        secrets.authorities = secrets.authorities.edit(|edit| match &authorities {
            Some(resource) => edit.set(resource.clone()),
            None => edit.remove(ResourceType::Secret, &names[1]),
        });
        match credential {
            Some(_) => secrets.names.insert(short.clone()),
            None => secrets.names.remove(short),
        };
        if secrets.names.is_empty() {
            self.of_namespace.remove(namespace);
        }
    }

    /// Whether somebody in the namespace has use for any.
    pub fn has(&self, namespace: &str) -> bool {
        self.of_namespace.contains_key(namespace)
    }

    /// What a proxy of the namespace may have.
    pub fn layer<'a>(&'a self, namespace: &str, clearance: Clearance, pool: &'a Pool) -> &'a Arc<Layer> {
        match (self.of_namespace.get(namespace), clearance) {
            (Some(secrets), Clearance::Keys) => &secrets.all,
            (Some(secrets), Clearance::Authorities) => &secrets.authorities,
            (_, Clearance::None) | (None, _) => pool.nothing(),
        }
    }
}
