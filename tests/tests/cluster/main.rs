//! The control plane on a real Kubernetes API server.

mod crds;
mod events;
mod istio_crds;
mod objects;
mod restart;
mod surroundings;
