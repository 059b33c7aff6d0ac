//! The traffic control plane: wires ingest, view, envoy and xds together.
