//! PeerAuthentication: whether workloads take mTLS, plaintext, or both; and what several of them come to for one workload.

use crate::{Labels, MeshConfig, Metadata, ObjectRef};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// What a workload's proxy takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum MtlsMode {
    /// Plaintext alone. TLS is the application's.
    Disable,
    /// Both.
    #[default]
    Permissive,
    /// mTLS alone.
    Strict,
}

/// Istio's PeerAuthentication.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PeerAuthentication {
    /// The object.
    pub metadata: Metadata,
    /// Workloads of its namespace that it is for; `None`: all of them.
    pub selector: Option<Labels>,
    /// `mtls.mode`; `None`: as said for more workloads (`UNSET`).
    pub mode: Option<MtlsMode>,
    /// `portLevelMtls`: by port of the workload; `None`: as on its other ports.
    pub ports: BTreeMap<u16, Option<MtlsMode>>,
    /// It could not be understood. Then nothing but mTLS is taken, whatever others say.
    pub is_unreadable: bool,
}

impl PeerAuthentication {
    /// Whether it is for workloads with these labels, as far as they are of its namespace.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Whether it is in the root namespace and has a selector: as in Istio it is for nobody then.
    pub fn is_idle(&self, config: &MeshConfig) -> bool {
        self.selector.is_some() && *self.metadata.namespace() == config.root_namespace
    }
}

/// What is taken on a workload's ports, and who says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerModes {
    /// On all ports that are not listed.
    pub mode: MtlsMode,
    /// On single ports.
    pub ports: BTreeMap<u16, MtlsMode>,
    /// The object that decides about ports that are not listed; `None`: nobody has said anything.
    pub by: Option<ObjectRef>,
    /// The object that lists ports.
    pub ports_by: Option<ObjectRef>,
}

impl PeerModes {
    /// What the objects that are for one workload come to: those of the root namespace, of its own, and those that select it, in
    /// this order. Of several of one level the oldest counts, and what it leaves open is as the level before says.
    pub fn compose<'a>(
        config: &MeshConfig,
        objects: impl Iterator<Item = &'a Arc<PeerAuthentication>>,
    ) -> Self {
        let mut levels: [Option<&PeerAuthentication>; 3] = [None; 3];
        let mut unreadable: Option<&PeerAuthentication> = None;
        let older = |other: Option<&PeerAuthentication>, value: &PeerAuthentication| {
            other.is_none_or(|other| value.metadata.precedence() < other.metadata.precedence())
        };
        for value in objects.map(|value| &**value).filter(|value| !value.is_idle(config)) {
            let level = match &value.selector {
                None if *value.metadata.namespace() == config.root_namespace => 0,
                None => 1,
                Some(_) => 2,
            };
            if value.is_unreadable && older(unreadable, value) {
                unreadable = Some(value);
            }
            if older(levels[level], value) {
                levels[level] = Some(value);
            }
        }
        if let Some(value) = unreadable {
            let by = Some(value.metadata.object.clone());
            return Self { mode: MtlsMode::Strict, by, ..Self::default() };
        }
        let mut modes = Self::default();
        for value in levels.into_iter().flatten() {
            if let Some(mode) = value.mode {
                modes.mode = mode;
                modes.by = Some(value.metadata.object.clone());
            }
        }
        if let Some(value) = levels[2].filter(|value| !value.ports.is_empty()) {
            modes.ports =
                value.ports.iter().map(|(port, mode)| (*port, mode.unwrap_or(modes.mode))).collect();
            modes.ports_by = Some(value.metadata.object.clone());
        }
        modes
    }

    /// What is taken on `port`.
    pub fn on_port(&self, port: u16) -> MtlsMode {
        self.ports.get(&port).copied().unwrap_or(self.mode)
    }

    /// Who says what is taken on `port`.
    pub fn said_by(&self, port: u16) -> Option<&ObjectRef> {
        if self.ports.contains_key(&port) { self.ports_by.as_ref() } else { self.by.as_ref() }
    }
}
