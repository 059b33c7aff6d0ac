//! Statuses on the objects of a real Kubernetes API server. Each test has a server of its own: whoever leads writes to every object.

mod addresses;
mod analyze;
mod beside;
mod config_maps;
mod credentials;
mod foreign;
mod leader;
mod many;
mod objects;
mod registration;
mod replicas;
mod rights;
mod told;
