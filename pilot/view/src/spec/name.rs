//! What an entry of the name table depends on. Mirrors `istio.networking.nds.v1.NameTable.NameInfo`.

use mesh_model::{Registry, Str};
use std::{net::IpAddr, sync::Arc};

/// Where one name leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameSpec {
    /// The name, a host or a wildcard, without final dot.
    pub name: Str,
    /// What it resolves to; never empty.
    pub addresses: Arc<[IpAddr]>,
    /// Who defines it.
    pub registry: Registry,
    /// What it is called within its namespace, where Kubernetes defines it; empty otherwise.
    pub shortname: Str,
    /// Its namespace, where Kubernetes defines it; empty otherwise.
    pub namespace: Str,
}
