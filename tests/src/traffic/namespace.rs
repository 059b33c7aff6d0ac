//! Network namespaces, so that traffic can be redirected as in a pod without touching this machine.
//!
//! In: nothing but root. Out: namespaces joined by a bridge, ways to do something in one. They have no names: the kernel forgets
//! them with the process, however that ends.

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};
use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
    path::Path,
    process::Command,
    thread,
};

/// The group that Envoy runs as: its own connections are not redirected.
const ENVOY_GROUP: &str = "1337";
/// Marks packets that belong to Envoy whatever address they are for, and the routes for these.
const MARK: u32 = 1337;
const TABLE: u32 = 133;
/// Where connections are redirected to, as Istio's init container does it: those from a member, and those to it.
const OUTBOUND: u16 = 15001;
const INBOUND: u16 = 15006;

/// A network namespace.
pub struct Namespace {
    file: File,
    address: Ipv4Addr,
}

/// A namespace with a bridge, and others on it.
pub struct Network {
    /// Where the bridge is; it has the first address.
    pub hub: Namespace,
    /// The others, in order of their addresses.
    pub members: Vec<Namespace>,
}

/// What is missing on this machine, if anything.
///
/// # Errors
/// With the reason, and what to do about it.
pub fn available() -> Result<(), String> {
    let check = || -> Result<()> {
        let probe =
            Namespace::new(Ipv4Addr::LOCALHOST).context("it takes root to make a network namespace")?;
        probe.run(|| -> Result<()> {
            run("ip", "link set lo up").context("apt-get install iproute2")?;
            run("iptables", "-t nat -A OUTPUT -p tcp -m owner --gid-owner 1 -j REDIRECT --to-ports 1")
                .and_then(|()| {
                    run(
                        "ip6tables",
                        "-t nat -A OUTPUT -p tcp -m owner --gid-owner 1 -j REDIRECT --to-ports 1",
                    )
                })
                .context("apt-get install iptables, and IPv6 in the kernel")
        })?;
        run("nsenter", "--version")
            .and_then(|()| run("setpriv", "--version"))
            .context("apt-get install util-linux")
    };
    check().map_err(|error| format!("{error:#}"))
}

impl Network {
    /// A hub and `count` others, with addresses 10.77.0.1 and fd77::1 and following. What is connected to from a member, or from elsewhere
    /// to it, is redirected to Envoy's ports 15001 and 15006, as Istio's init container does it.
    ///
    /// # Errors
    /// When `ip` or `iptables` fails.
    pub fn new(count: u8) -> Result<Self> {
        let hub = Namespace::new(Ipv4Addr::new(10, 77, 0, 1))?;
        let members: Vec<_> = (0..count)
            .map(|index| Namespace::new(Ipv4Addr::new(10, 77, 0, 2 + index)))
            .collect::<Result<_>>()?;
        hub.run(|| -> Result<()> {
            run("ip", "link set lo up")?;
            run("ip", "link add br0 type bridge")?;
            run("ip", &format!("addr add {}/24 dev br0", hub.address))?;
            run("ip", &format!("addr add {}/64 dev br0 nodad", hub.address_v6()))?;
            run("ip", "link set br0 up")?;
            for (index, member) in members.iter().enumerate() {
                let at = member.path();
                run("ip", &format!("link add m{index} type veth peer name eth0 netns {at}"))?;
                run("ip", &format!("link set m{index} master br0 up"))?;
            }
            Ok(())
        })?;
        for member in &members {
            member.run(|| member.join(&hub))?;
            member.redirect(&hub, OUTBOUND, INBOUND)?;
        }
        Ok(Self { hub, members })
    }
}

impl Namespace {
    fn new(address: Ipv4Addr) -> Result<Self> {
        let made = thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        let file =
            made.join().map_err(|_| anyhow::anyhow!("the thread that makes a namespace panicked"))??;
        Ok(Self { file, address })
    }

    /// The same namespace.
    ///
    /// # Errors
    /// When this process has no file descriptor left.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { file: self.file.try_clone()?, address: self.address })
    }

    /// Its address.
    pub fn address(&self) -> IpAddr {
        self.address.into()
    }

    /// Its address of the other version of IP.
    pub fn address_v6(&self) -> Ipv6Addr {
        let [.., last] = self.address.octets();
        Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, last.into())
    }

    /// Does something in it: sockets made by `action`, and processes started by it, belong to the namespace.
    ///
    /// # Panics
    /// When `action` does.
    pub fn run<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                // Nothing would be tested in the wrong place.
                if let Err(error) = setns(&self.file, CloneFlags::CLONE_NEWNET) {
                    panic!("a namespace can't be entered: {error}");
                }
                action()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a future in it, on a runtime of its own.
    ///
    /// # Errors
    /// Those of the future, or when there is no runtime.
    ///
    /// # Panics
    /// When the future does.
    pub fn run_async<T: Send, F: Future<Output = Result<T>>>(
        &self,
        action: impl FnOnce() -> F + Send,
    ) -> Result<T> {
        self.run(|| tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(action()))
    }

    /// The command that runs Envoy in it.
    pub fn envoy_command(&self) -> Vec<String> {
        let net = format!("--net={}", self.path());
        let group = format!("--regid={ENVOY_GROUP}");
        // Changing the group clears the signal that ends a child with its parent.
        ["nsenter", &net, "setpriv", &group, "--clear-groups", "--pdeathsig", "KILL"]
            .map(str::to_owned)
            .into()
    }

    /// The same, where this file says who resolves names.
    pub fn envoy_command_resolving(&self, resolv_conf: &Path) -> Vec<String> {
        let mount = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let file = resolv_conf.display().to_string();
        let by = ["unshare", "--mount", "sh", "-c", mount, &file].map(str::to_owned);
        by.into_iter().chain(self.envoy_command()).collect()
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    fn join(&self, hub: &Namespace) -> Result<()> {
        run("ip", "link set lo up")?;
        run("ip", &format!("addr add {}/24 dev eth0", self.address))?;
        run("ip", "link set eth0 up")?;
        run("ip", &format!("route add default via {}", hub.address))?;
        run("ip", &format!("addr add {}/64 dev eth0 nodad", self.address_v6()))?;
        run("ip", &format!("-6 route add default via {}", hub.address_v6()))?;
        // Where Envoy's connections to the application come from; of IPv4 all of 127.0.0.0/8 is there.
        run("ip", "addr add ::6/128 dev lo nodad")
    }

    /// From now on, connections from it and to it are redirected to these ports of its Envoy.
    ///
    /// # Errors
    /// When `iptables` fails.
    pub fn redirect(&self, hub: &Namespace, outbound: u16, inbound: u16) -> Result<()> {
        let versions = [
            ("iptables", IpAddr::from(hub.address), "127.0.0.1/32"),
            ("ip6tables", hub.address_v6().into(), "::1/128"),
        ];
        self.run(|| {
            for (program, hub, localhost) in versions {
                run(program, "-t nat -F")?;
                for rule in [
                    // The test itself asks Envoy's admin port.
                    &format!("PREROUTING -s {hub} -j RETURN"),
                    &format!("PREROUTING -p tcp -j REDIRECT --to-ports {inbound}"),
                    &format!("OUTPUT -p tcp -m owner --gid-owner {ENVOY_GROUP} -j RETURN"),
                    &format!("OUTPUT -p tcp -d {localhost} -j RETURN"),
                    &format!("OUTPUT -p tcp -j REDIRECT --to-ports {outbound}"),
                ] {
                    run(program, &format!("-t nat -A {rule}"))?;
                }
            }
            Ok(())
        })
    }

    /// From now on, connections to it are handed to its Envoy as they are, as Istio's init container has it for TPROXY; those from it are
    /// redirected as before.
    ///
    /// # Errors
    /// When `ip` or `iptables` fails.
    pub fn intercept(&self, hub: &Namespace) -> Result<()> {
        let hub = hub.address;
        self.run(|| {
            run("iptables", "-t nat -F PREROUTING")?;
            run("ip", &format!("rule add fwmark {MARK} lookup {TABLE}"))?;
            run("ip", &format!("route add local default dev lo table {TABLE}"))?;
            for rule in [
                // The test itself asks Envoy's admin port.
                &format!("PREROUTING -s {hub} -j RETURN"),
                // Envoy's connections to the application have the mark, and answers to them shall come back to it.
                &format!("PREROUTING -p tcp -m mark --mark {MARK} -j CONNMARK --save-mark"),
                &format!("PREROUTING -p tcp -m mark --mark {MARK} -j RETURN"),
                "PREROUTING -p tcp -i lo -j RETURN",
                &format!("PREROUTING -p tcp -j TPROXY --tproxy-mark {MARK} --on-port {INBOUND}"),
                &format!("OUTPUT -p tcp -m connmark --mark {MARK} -j CONNMARK --restore-mark"),
            ] {
                run("iptables", &format!("-t mangle -A {rule}"))?;
            }
            Ok(())
        })
    }

    /// Nothing that is sent from there arrives here, or it does again: as when a cable is pulled. Who sends is not told.
    ///
    /// # Errors
    /// When `iptables` fails.
    pub fn set_cut_off(&self, from: SocketAddr, cut_off: bool) -> Result<()> {
        let change = if cut_off { "-A" } else { "-D" };
        let (address, port) = (from.ip(), from.port());
        // What Envoy says to a program here comes from there, too, but by no cable.
        let rule = format!("INPUT -i eth0 -p tcp -s {address} --sport {port} -j DROP");
        self.run(|| run("iptables", &format!("{change} {rule}")))
    }

    /// Gives it one address more, on the bridge that it is.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn add_to_bridge(&self, address: IpAddr) -> Result<()> {
        self.run(|| run("ip", &format!("addr add {address}/24 dev br0")))
    }
}

fn run(program: &str, args: &str) -> Result<()> {
    let output = Command::new(program).args(args.split(' ')).output();
    let output = output.with_context(|| format!("`{program}` can't be run"))?;
    if !output.status.success() {
        bail!("`{program} {args}`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
