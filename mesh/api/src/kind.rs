//! The kinds of this API by name, for code that meets objects before it knows their type.

use std::fmt;

use crate::{networking, security};

/// A kind of this API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`VirtualService`](crate::VirtualService).
    VirtualService,
    /// [`DestinationRule`](crate::DestinationRule).
    DestinationRule,
    /// [`ServiceEntry`](crate::ServiceEntry).
    ServiceEntry,
    /// [`WorkloadEntry`](crate::WorkloadEntry).
    WorkloadEntry,
    /// [`WorkloadGroup`](crate::WorkloadGroup).
    WorkloadGroup,
    /// [`Sidecar`](crate::Sidecar).
    Sidecar,
    /// [`ProxyConfig`](crate::ProxyConfig).
    ProxyConfig,
    /// [`PeerAuthentication`](crate::PeerAuthentication).
    PeerAuthentication,
}

impl Kind {
    /// All kinds, in the order in which they are documented.
    pub const ALL: [Self; 8] = [
        Self::VirtualService,
        Self::DestinationRule,
        Self::ServiceEntry,
        Self::WorkloadEntry,
        Self::WorkloadGroup,
        Self::Sidecar,
        Self::ProxyConfig,
        Self::PeerAuthentication,
    ];

    /// The name as it stands in an object's `kind`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VirtualService => "VirtualService",
            Self::DestinationRule => "DestinationRule",
            Self::ServiceEntry => "ServiceEntry",
            Self::WorkloadEntry => "WorkloadEntry",
            Self::WorkloadGroup => "WorkloadGroup",
            Self::Sidecar => "Sidecar",
            Self::ProxyConfig => "ProxyConfig",
            Self::PeerAuthentication => "PeerAuthentication",
        }
    }

    /// The API group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::VirtualService
            | Self::DestinationRule
            | Self::ServiceEntry
            | Self::WorkloadEntry
            | Self::WorkloadGroup
            | Self::Sidecar
            | Self::ProxyConfig => networking::GROUP,
            Self::PeerAuthentication => security::GROUP,
        }
    }

    /// The versions the kind is served in, the stored one first.
    pub const fn versions(self) -> &'static [&'static str] {
        match self {
            Self::VirtualService
            | Self::DestinationRule
            | Self::ServiceEntry
            | Self::WorkloadEntry
            | Self::WorkloadGroup
            | Self::Sidecar => &networking::VERSIONS,
            // As Istio serves it.
            Self::ProxyConfig => &["v1beta1"],
            Self::PeerAuthentication => &security::VERSIONS,
        }
    }

    /// The kind that an object with this `apiVersion` and `kind` has, if it is one of ours in a version that
    /// is served.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let (group, version) = api_version.split_once('/')?;
        Self::ALL.into_iter().find(|known| {
            known.name() == kind && known.group() == group && known.versions().contains(&version)
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_by_name_and_served_version() {
        assert_eq!(Kind::of("networking.istio.io/v1beta1", "Sidecar"), Some(Kind::Sidecar));
        assert_eq!(Kind::of("networking.istio.io/v2", "Sidecar"), None);
        assert_eq!(Kind::of("example.com/v1", "Sidecar"), None);
        assert_eq!(Kind::of("v1", "Service"), None);
    }
}
