//! `meltemi proxy`: what a running control plane says about the proxies that are connected to it.

mod config;
mod list;

pub use config::run as config;
pub use list::run as list;

/// Said when nobody answers at the debug address.
const NOT_RUNNING: &str = "is the control plane running? --address names its debug address";
