//! Istio's kinds as Kubernetes custom resources.
