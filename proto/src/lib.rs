//! Wire types: Envoy's API generated from the pinned binary's descriptors, and the few Istio protos.
