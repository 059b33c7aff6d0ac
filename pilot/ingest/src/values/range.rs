//! Ranges of addresses.

use crate::at::At;
use mesh_model::{Cidr, Reason};
use std::net::IpAddr;

/// A range such as `10.1.0.0/16`, or one address. Bits behind the prefix say nothing, and are cleared.
pub fn parse_range(text: &str, at: &At<'_>) -> Option<Cidr> {
    match read_range(text) {
        Some((range, address)) => {
            if range.address != address {
                at.warning_hint(
                    Reason::InvalidValue,
                    format!("`{text}` has bits set behind its prefix; they do not count"),
                    format!("write {range}"),
                );
            }
            Some(range)
        }
        None => {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{text}` is neither an IP address nor a range"),
                "write an address such as 10.1.2.3 or a range such as 10.1.0.0/16",
            );
            None
        }
    }
}

/// The range, and the address that it is written with.
pub fn read_range(text: &str) -> Option<(Cidr, IpAddr)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let full = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = length.map_or(Some(full), |length| length.parse().ok())?;
    (length <= full).then(|| (Cidr { address: network(address, length), length }, address))
}

/// The first address of the range; `length` is at most the address's own.
fn network(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}
