//! In: nothing. Out: loopback addresses and ports that nobody else will take.
//!
//! A port that is found free and then let go can be taken by any other process in between. So a process claims a whole
//! loopback address of its own (127.0.0.0/8 has millions), by listening on one agreed port of it: the kernel keeps the
//! claim exclusive and ends it with the process.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};

/// Who listens on this port of an address has claimed it.
const CLAIM_PORT: u16 = 20_047;

/// Claims are made in 127.192.0.0/10, far from 127.0.0.1 and from addresses that people write into examples.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 192, 0, 1);
const COUNT: u32 = 1 << 21;

/// A loopback address that is this value's alone.
pub struct Loopback {
    address: Ipv4Addr,
    _claim: TcpListener,
}

/// A port that is held by a listener until it is needed.
pub struct HeldPort {
    listener: TcpListener,
    address: SocketAddr,
}

impl Loopback {
    /// Claims an address.
    ///
    /// # Errors
    /// When none of many can be had, which means that something else is wrong.
    pub fn claim() -> io::Result<Self> {
        // Start at a place that differs between processes; then walk.
        let start = std::process::id().wrapping_mul(7);
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for step in 0..1000 {
            let address = Ipv4Addr::from(u32::from(FIRST) + start.wrapping_add(step) % COUNT);
            match TcpListener::bind((address, CLAIM_PORT)) {
                Ok(claim) => return Ok(Self { address, _claim: claim }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The address.
    pub fn ip(&self) -> IpAddr {
        self.address.into()
    }

    /// A free port of it.
    ///
    /// # Errors
    /// When the address has none left.
    pub fn port(&self) -> io::Result<HeldPort> {
        HeldPort::at(self.ip())
    }
}

impl HeldPort {
    fn at(ip: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((ip, 0))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets it go, for a child that binds it next. Safe on an address that is claimed.
    pub fn release(self) -> SocketAddr {
        self.address
    }

    /// The listener itself, for a server in this process: nothing can come in between.
    pub fn into_listener(self) -> TcpListener {
        self.listener
    }
}

/// A free port of 127.0.0.1, for what can't use another address. Once released anybody may take it.
///
/// # Errors
/// When there is none.
pub fn on_localhost() -> io::Result<HeldPort> {
    HeldPort::at(Ipv4Addr::LOCALHOST.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_differ_and_ports_can_be_bound_again() {
        let (one, two) = (Loopback::claim().unwrap(), Loopback::claim().unwrap());
        assert_ne!(one.ip(), two.ip());
        let (first, second) = (one.port().unwrap(), one.port().unwrap());
        assert_ne!(first.address(), second.address());
        let address = first.release();
        assert_eq!(TcpListener::bind(address).unwrap().local_addr().unwrap(), address);
    }
}
