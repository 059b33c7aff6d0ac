//! Ranges of addresses.

use crate::at::At;
use mesh_model::{Cidr, Reason};
use std::net::IpAddr;

/// A range such as `10.1.0.0/16`, or one address. Bits behind the prefix say nothing, and are cleared.
pub fn parse_range(text: &str, at: &At<'_>) -> Option<Cidr> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: Option<IpAddr> = address.parse().ok();
    let full = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    let range = address.and_then(|address| {
        let length: u8 = length.map_or(Some(full(address)), |length| length.parse().ok())?;
        (length <= full(address)).then(|| Cidr { address: network(address, length), length })
    });
    match (range, address) {
        (Some(range), Some(address)) => {
            if range.address != address {
                at.warning_hint(
                    Reason::InvalidValue,
                    format!("`{text}` has bits set behind its prefix; they do not count"),
                    format!("write {range}"),
                );
            }
            Some(range)
        }
        _ => {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{text}` is neither an IP address nor a range"),
                "write an address such as 10.1.2.3 or a range such as 10.1.0.0/16",
            );
            None
        }
    }
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
