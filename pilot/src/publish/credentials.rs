//! Secrets that proxies ask for: by namespace, and by what of them a proxy may have.
//!
//! In: the credentials of the mesh. Out: two layers for each namespace that has Secrets: all, for service accounts that may read Secrets,
//! and authorities alone, for all others that have proven to be of the namespace. Who has proven nothing gets neither. What is in
//! ConfigMaps is for all proxies: it is in a layer of its own, and in these.

use super::pool::Pool;
use mesh_model::{ChangeSet, Kind, Mesh, ObjectRef, Str};
use pilot_view::{
    derive_authorities, derive_secrets,
    spec::{config_map_authorities, credential_authorities, credential_certificate},
};
use pilot_xds::{layer::Layer, resource::ResourceType};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// What of the secrets of its namespace a proxy may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clearance {
    /// What is in ConfigMaps.
    None,
    /// Of Secrets, what is none.
    Authorities,
    /// All.
    Keys,
}

/// All secrets.
pub struct Credentials {
    of_namespace: HashMap<Str, Secrets>,
    /// Those of ConfigMaps.
    public: Arc<Layer>,
    config_maps: BTreeSet<ObjectRef>,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { of_namespace: HashMap::new(), public: Layer::empty(), config_maps: BTreeSet::new() }
    }
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
        let secrets = self.of_namespace.iter().flat_map(|(namespace, secrets)| {
            secrets.names.iter().map(|name| ObjectRef::new(Kind::Secret, namespace.clone(), name.clone()))
        });
        let ours = secrets.chain(self.config_maps.iter().cloned());
        let changed: BTreeSet<ObjectRef> = match changes.everything {
            true => mesh.credentials().map(|(object, _)| object.clone()).chain(ours).collect(),
            false => changes.credentials.clone(),
        };
        for object in changed {
            match object.kind {
                Kind::ConfigMap => self.set_public(&object, mesh, pool),
                _ => self.set(&object, mesh, pool),
            }
        }
    }

    fn set_public(&mut self, object: &ObjectRef, mesh: &Mesh, pool: &Pool) {
        let credential = mesh.credential(object);
        let found = credential.and_then(|credential| derive_authorities(&object.name, credential));
        let resource = found.map(|spec| pool.get(&spec));
        let name = config_map_authorities(&object.name);
        let set = |layer: &mut Arc<Layer>| {
            *layer = layer.edit(|edit| match &resource {
                Some(resource) => edit.set(resource.clone()),
                None => edit.remove(ResourceType::Secret, &name),
            });
        };
        set(&mut self.public);
        for secrets in self.of_namespace.values_mut() {
            set(&mut secrets.all);
            set(&mut secrets.authorities);
        }
        match credential {
            Some(_) => self.config_maps.insert(object.clone()),
            None => self.config_maps.remove(object),
        };
    }

    fn set(&mut self, object: &ObjectRef, mesh: &Mesh, pool: &Pool) {
        let (namespace, short) = (&object.name.namespace, &object.name.name);
        let credential = mesh.credential(object);
        let public = &self.public;
        let secrets = self.of_namespace.entry(namespace.clone()).or_insert_with(|| Secrets {
            authorities: public.clone(),
            all: public.clone(),
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

    /// Whether somebody in the namespace has use for any Secret.
    pub fn has(&self, namespace: &str) -> bool {
        self.of_namespace.contains_key(namespace)
    }

    /// What a proxy of the namespace may have.
    pub fn layer(&self, namespace: &str, clearance: Clearance) -> &Arc<Layer> {
        match (self.of_namespace.get(namespace), clearance) {
            (Some(secrets), Clearance::Keys) => &secrets.all,
            (Some(secrets), Clearance::Authorities) => &secrets.authorities,
            (_, Clearance::None) | (None, _) => &self.public,
        }
    }

    /// What any proxy may have.
    pub fn public(&self) -> &Arc<Layer> {
        &self.public
    }
}
