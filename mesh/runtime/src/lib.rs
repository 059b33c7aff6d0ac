//! What every process needs: logging, signals and drain, admin server, readiness, metrics registry.
