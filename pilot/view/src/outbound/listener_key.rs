//! Where the listeners are that hosts share, and what these are called.
//!
//! In: an address and a port, or the path of a Unix domain socket that a Sidecar names. Out: the names of the listener, and of the route
//! configuration of one that a Sidecar asks for.

use mesh_model::{ListenerPlace, SidecarPort, Str};
use std::{fmt, net::IpAddr};

/// Where a listener is; hosts that need something of equal keys share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListenerKey {
    /// At a port.
    Port {
        /// `0.0.0.0`: any destination.
        address: IpAddr,
        /// Its number.
        port: u16,
    },
    /// At a Unix domain socket, by its path; `@` begins an abstract one.
    Unix(Str),
}

impl ListenerKey {
    /// The listener's name.
    pub fn name(&self) -> Str {
        match self {
            Self::Port { address, port } => format!("{address}_{port}").into(),
            Self::Unix(path) => format!("unix://{path}").into(),
        }
    }

    /// The port; a Unix domain socket has none.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Port { address: _, port } => Some(*port),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { address, port } => write!(f, "{address}:{port}"),
            Self::Unix(path) => write!(f, "the socket {path}"),
        }
    }
}

/// The name of the route configuration for services on `port` of a listener that a Sidecar asks for. As names of virtual hosts begin with it, up to a slash, it has
/// none itself.
pub fn route_name(place: &ListenerPlace, port: u16) -> Str {
    match place {
        ListenerPlace::Port(SidecarPort { number, at: _ }) => number.to_string().into(),
        ListenerPlace::Each(_) => port.to_string().into(),
        ListenerPlace::Unix(path) => format!("unix:{}", path.replace('%', "%25").replace('/', "%2F")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn paths_have_route_configurations_of_their_own() {
        let paths = ["/run/mesh", "/run/mesh/a", "/run%2Fmesh", "@run/mesh", "@run"];
        let names: BTreeSet<Str> =
            paths.map(|path| route_name(&ListenerPlace::Unix(path.into()), 80)).into_iter().collect();
        assert_eq!(names.len(), paths.len(), "{names:?}");
        assert!(names.iter().all(|name| !name.contains('/')), "{names:?}");
    }
}
