//! Kubernetes objects and YAML files in, the mesh model and its problems out.
