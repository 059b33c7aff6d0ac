//! Addresses that the control plane gives to hosts of ServiceEntries that name none: Istio's automatic allocation.
//!
//! In: an object. Out: whether it is to have any, and those that its status tells. Who gives them is the leader, in `pilot-status`.

use crate::meta::Meta;
use mesh_model::{Host, Resolution};
use serde_json::Value;
use std::net::IpAddr;

/// Label that says `false` where no address is wanted.
const ENABLE_AUTOALLOCATE_IP: &str = "networking.istio.io/enable-autoallocate-ip";

/// Whether its hosts may be called at an address that is made up: not where the address called is the address reached.
pub(super) fn is_wanted(meta: &Meta, resolution: &Resolution) -> bool {
    let refused =
        meta.labels.get(ENABLE_AUTOALLOCATE_IP).is_some_and(|text| text.eq_ignore_ascii_case("false"));
    *resolution != Resolution::Passthrough && !refused
}

/// The addresses in `status`, each with its host, if any are `wanted`.
pub(super) fn parse(value: &Value, wanted: bool) -> Option<Vec<(Host, IpAddr)>> {
    let listed = value.pointer("/status/addresses").and_then(Value::as_array);
    let read = |entry: &Value| {
        let host = entry.get("host")?.as_str()?;
        let address = entry.get("value")?.as_str()?.parse().ok()?;
        Some((Host::new(host), address))
    };
    wanted.then(|| listed.into_iter().flatten().filter_map(read).collect())
}
