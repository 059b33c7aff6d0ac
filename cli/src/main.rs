//! Meltemi: a service-mesh control plane that speaks Istio's API.
fn main() {}
