//! For tests only: goldens, a local API server, a real Envoy, fake xDS clients.
