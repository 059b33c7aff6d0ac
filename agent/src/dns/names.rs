//! The name table as the agent holds it.
//!
//! In: resources of type `istio.networking.nds.v1.NameTable`, for single names or with all names. Out: where names lead. While nothing
//! has come, nothing is known: that is not the same as knowing that there are no names.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{PoisonError, RwLock},
};

use mesh_proto::istio::networking::nds::v1::{NameTable, name_table::NameInfo};
use prost::Message as _;

use super::{
    Zone,
    lookup::{self, Found},
};
use crate::relay::Follow;

/// The names, replaced as the control plane tells.
#[derive(Debug)]
pub struct Names {
    zone: Zone,
    held: RwLock<Option<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    table: Table,
    /// The resource that had all names: they go when it goes.
    whole: Option<Box<str>>,
}

/// Where names lead, by name in lower case without final dot.
pub(super) type Table = HashMap<Box<str>, Entry>;

/// Where one name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) v4: Box<[Ipv4Addr]>,
    pub(super) v6: Box<[Ipv6Addr]>,
    /// Whether it is a Kubernetes service of the workload's own cluster, which may be called by shorter names.
    pub(super) has_short_names: bool,
}

impl Names {
    /// Nothing is known yet.
    pub fn new(zone: Zone) -> Self {
        Self { zone, held: RwLock::new(None) }
    }

    /// Takes in resources by name, and the names of those that are gone. One that has all names replaces all there was.
    ///
    /// # Errors
    /// When one of them is no name table. Then nothing changes.
    pub fn update<'a>(
        &self,
        resources: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        removed: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), prost::DecodeError> {
        let decode = |(name, message)| Ok((name, NameTable::decode(message)?));
        let decoded: Vec<(&str, NameTable)> =
            resources.into_iter().map(decode).collect::<Result<_, prost::DecodeError>>()?;
        // A map is whole whenever the lock is free.
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let Held { table: names, whole } = held.get_or_insert_default();
        for name in removed {
            if whole.take_if(|whole| **whole == *name).is_some() {
                names.clear();
            }
            names.remove(&*lookup::canonical(name));
        }
        for (resource, NameTable { table, name_info }) in decoded {
            match name_info {
                Some(info) => self.set(names, resource, info),
                None => {
                    names.clear();
                    table.into_iter().for_each(|(name, info)| self.set(names, &name, info));
                    *whole = Some(resource.into());
                }
            }
        }
        Ok(())
    }

    fn set(&self, table: &mut Table, name: &str, info: NameInfo) {
        let name = lookup::canonical(name);
        let NameInfo { ips, registry, shortname, namespace } = info;
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for text in ips {
            match text.parse() {
                Ok(IpAddr::V4(address)) => v4.push(address),
                Ok(IpAddr::V6(address)) => v6.push(address),
                Err(_) => {
                    tracing::debug!(%name, text, "the control plane sends something that is no address")
                }
            }
        }
        if v4.is_empty() && v6.is_empty() {
            table.remove(&*name);
            return;
        }
        // A service of another cluster has the same short names as ours: only the long one tells them apart.
        let has_short_names =
            registry == "Kubernetes" && self.zone.is_full_name(&name, &shortname, &namespace);
        let entry = Entry { v4: v4.into(), v6: v6.into(), has_short_names };
        table.insert(name.into(), entry);
    }

    /// Whether anything has come.
    pub fn is_known(&self) -> bool {
        self.held.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// How many names there are.
    pub fn count(&self) -> usize {
        self.held.read().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |held| held.table.len())
    }

    /// Something of each name.
    pub(super) fn map<T: FromIterator<R>, R>(&self, of: impl Fn(&str, &Entry) -> R) -> T {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.iter().flat_map(|held| &held.table).map(|(name, entry)| of(name, entry)).collect()
    }

    /// What the workload means by `name`, in lower case without final dot.
    pub(super) fn find(&self, name: &str) -> Found {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            None => Found::NotYet,
            Some(Held { table, whole: _ }) => lookup::find(table, &self.zone, name),
        }
    }
}

impl Follow for Names {
    fn take(&self, resources: &[(&str, &[u8])], removed: &[&str]) -> Result<(), String> {
        self.update(resources.iter().copied(), removed.iter().copied())
            .map_err(|error| format!("no name table: {error}"))?;
        tracing::debug!(names = self.count(), "names are told");
        Ok(())
    }
}
