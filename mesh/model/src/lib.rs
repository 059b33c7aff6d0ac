//! The mesh as plain data: what configuration means, free of Kubernetes, Envoy and IO.
