//! The same under settings of the mesh, one after the other, in the client's pod.

use super::{WITHIN, get, names::Names, whoami};
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::{
    lacking::lacking,
    traffic::{Request, namespace::Network},
};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Longer than an answer takes that comes at once.
const ATTEMPT: Duration = Duration::from_secs(1);
/// The port of the application on which it speaks first, and what it says.
pub(super) const SPEAKS_FIRST: u16 = 9093;
const WELCOME: &[u8] = b"220 welcome\r\n";

/// Where they are written, and where the names lead of which endpoints have one.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) files: PathBuf,
    pub(super) names: Names,
    pub(super) network: Arc<Network>,
}

impl Settings {
    /// What holds from now on; YAML, indented by four.
    pub(super) fn set(&self, settings: &str) -> Result<()> {
        let settings = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
             data:\n  mesh: |\n    {settings}\n"
        );
        self.write("settings.yaml", &settings)
    }

    /// Writes a file of configuration.
    pub(super) fn write(&self, file: &str, yaml: &str) -> Result<()> {
        Ok(fs::write(self.files.join(file), lacking(yaml).as_bytes())?)
    }

    pub(super) async fn ask(&self, application: IpAddr, outside: IpAddr) -> Result<()> {
        self.ask_by_name(outside).await?;
        self.ask_who_moves(application, outside).await?;
        self.ask_silently().await?;
        self.ask_elsewhere().await?;
        self.ask_by_other_ports().await
    }

    /// Proxies take what is redirected where the mesh says, and no longer where they did.
    async fn ask_by_other_ports(&self) -> Result<()> {
        let vip = IpAddr::from([10, 96, 0, 10]);
        let asked = async || -> Result<()> {
            let answer = tokio::time::timeout(ATTEMPT, get("app", (vip, 80))).await??;
            ensure!(answer.status == 200 && answer.pod() == "app", "{}", answer.summary());
            // Requests may go over connections that have been there before; bytes have one of their own.
            let bytes = tokio::time::timeout(ATTEMPT, whoami((vip, 9000))).await??;
            ensure!(bytes == "app", "bytes go to {bytes}");
            Ok(())
        };
        let redirect = |outbound, inbound| -> Result<()> {
            let Network { hub, members } = &*self.network;
            members.iter().try_for_each(|member| member.redirect(hub, outbound, inbound))
        };
        for (settings, outbound, inbound) in [
            ("proxyListenPort: 16001", 16001, 15006),
            ("proxyListenPort: 16001\n    proxyInboundListenPort: 16006", 16001, 16006),
            ("connectTimeout: 9s", 15001, 15006),
        ] {
            self.set(settings)?;
            redirect(outbound, inbound)?;
            eventually(WITHIN * 2, asked).await.context(settings)?;
        }
        Ok(())
    }

    /// A sidecar that waits for the client to show what it speaks does so as long as the mesh says, and for ever if it says nothing.
    async fn ask_silently(&self) -> Result<()> {
        let listen = async || -> Result<bool> {
            let mut stream = TcpStream::connect(("10.96.0.10", 9002)).await?;
            let mut heard = vec![0; WELCOME.len()];
            let all = tokio::time::timeout(ATTEMPT, stream.read_exact(&mut heard)).await;
            Ok(matches!(all, Ok(Ok(_))) && heard == WELCOME)
        };
        ensure!(!listen().await?, "nobody waits for the client to speak");
        self.set("protocolDetectionTimeout: 100ms")?;
        eventually(WITHIN * 2, async || {
            ensure!(listen().await?, "still waiting for the client to speak");
            Ok(())
        })
        .await
    }

    /// An endpoint that is a name is looked up as often as the mesh says; once a minute if it says nothing.
    async fn ask_who_moves(&self, application: IpAddr, outside: IpAddr) -> Result<()> {
        self.set("dnsRefreshRate: 1s")?;
        // The first may be noticed because settings have just changed.
        for (leading_to, expected) in [(outside, "outside"), (application, "app"), (outside, "outside")] {
            self.names.lead_to(leading_to);
            eventually(WITHIN * 2, async || {
                let answer = get("named.example.com", ("10.96.0.40".parse()?, 80)).await?;
                ensure!(answer.pod() == expected, "the name leads to {expected}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Where the mesh has names looked up, requests on ports that no service has go to the name that they ask for, wherever the program
    /// connected to; all else still goes there.
    async fn ask_by_name(&self, outside: IpAddr) -> Result<()> {
        self.set("outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}")?;
        let nowhere: IpAddr = "10.255.0.1".parse()?;
        eventually(WITHIN * 2, async || {
            // Before the proxy knows, it tries to get where nobody answers.
            let name = format!("{outside}:7777");
            let answer = tokio::time::timeout(ATTEMPT, get(&name, (nowhere, 7777))).await??;
            ensure!(answer.status == 200 && answer.pod() == "outside", "{}", answer.summary());
            Ok(())
        })
        .await?;
        ensure!(whoami((outside, 7070)).await? == "outside", "bytes to an unknown port");
        Ok(())
    }

    /// Where the mesh says so, requests that come in go to the loopback address, and each sidecar is an HTTP proxy, too.
    async fn ask_elsewhere(&self) -> Result<()> {
        self.set("inboundTrafficPolicy: {mode: LOCALHOST}\n    proxyHttpPort: 15007")?;
        eventually(WITHIN * 2, async || {
            let answer = get("app", ("10.96.0.10".parse()?, 80)).await?;
            ensure!(answer.status == 200 && answer.pod() == "local", "{}", answer.summary());
            let proxy = SocketAddr::from((Ipv4Addr::LOCALHOST, 15007));
            let answer = Request::get("http://app.pods/")?.send(proxy).await?;
            ensure!(answer.status == 200 && answer.pod() == "local", "{}", answer.summary());
            Ok(())
        })
        .await
    }
}

/// As a server of mail does.
pub(super) async fn speak_first(listener: TcpListener) {
    // Those that have been greeted stay.
    let mut greeted = Vec::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        if stream.write_all(WELCOME).await.is_ok() {
            greeted.push(stream);
        }
    }
}
