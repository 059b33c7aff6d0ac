//! What one class of proxies may see and must do, as specs: pure.
