//! What node metadata asks of listeners: TPROXY, requests of HTTP/1.0, times, and an HTTP proxy beside redirection. And what a proxy does
//! where clients call a pod's own port, or speak MongoDB.

use super::{CONFIGURATION_OF_METADATA, WITHIN, control_plane, echo_at, get, launched, redirecting};
use anyhow::{Context, Result, ensure};
use mesh_testkit::{Launch, SweptDir, eventually};
use mesh_tests::{
    lacking::lacking,
    traffic::{
        Request,
        namespace::{self, Network},
    },
};
use std::{fs, net::IpAddr, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Where clients are told who they are: on a port of a service, and on one that no service knows.
const WHO: [u16; 2] = [6001, 6002];
/// Where the client's proxy serves as HTTP proxy.
const PROXY: u16 = 15007;

#[test]
fn node_metadata_has_the_effect_that_istio_gives_it() {
    redirecting(served);
}

fn served(binary: PathBuf) -> Result<()> {
    let network = Arc::new(Network::new(2)?);
    let [client, app] = network.members.as_slice() else { anyhow::bail!("two members") };
    app.intercept(&network.hub)?;
    network.hub.run_async(|| async {
        let directory = SweptDir::new("meltemi-transparent-")?;
        fs::write(directory.path().join("mesh.yaml"), lacking(CONFIGURATION_OF_METADATA).as_bytes())?;
        let (_trigger, pilot) = control_plane(&network, directory.path()).await?;
        let xds = pilot.grpc_address();
        let launch = |by: &namespace::Namespace| Launch { by: by.envoy_command(), admin: by.address() };
        let proxy = PROXY.to_string();
        let asked = [("HTTP10", "1"), ("IDLE_TIMEOUT", "1s"), ("HTTP_PROXY_PORT", &proxy)];
        let near = launched(launch(client), "client", (&asked, &[]), &binary, xds);
        let asked = [("INTERCEPTION_MODE", "TPROXY"), ("INBOUND_LISTENER_EXACT_BALANCE", "true")];
        let far = launched(launch(app), "app", (&asked, &[]), &binary, xds);
        let (Some(near), Some(far)) = tokio::join!(near, far) else { return Ok(()) };
        near.ready().await?;
        far.ready().await?;
        let work = tokio::task::spawn_blocking({
            let network = network.clone();
            move || serve_and_ask(&network)
        });
        work.await??;
        for (envoy, direction, host) in
            [(&near, "outbound|27017|", "app.pods.svc.cluster.local"), (&far, "inbound|9090|", "")]
        {
            let unread = format!("mongo.{direction}|{host}.decoding_error");
            ensure!(envoy.stat(&unread).await? > 0, "{unread}: nobody looked at what is said to MongoDB");
        }
        Ok(())
    })
}

/// Tells whoever connects where that comes from.
async fn tell_who(listener: TcpListener) {
    while let Ok((mut stream, peer)) = listener.accept().await {
        tokio::spawn(async move {
            let told = stream.write_all(format!("{}\n", peer.ip()).as_bytes()).await;
            // Until the other side ends it.
            let _ = (told, stream.read_to_end(&mut Vec::new()).await);
        });
    }
}

fn serve_and_ask(network: &Network) -> Result<()> {
    let [client, app] = network.members.as_slice() else { anyhow::bail!("two members") };
    let (own, application) = (client.address(), app.address());
    app.run_async(|| async move {
        let _application = echo_at(application, "app").await?;
        for port in WHO {
            tokio::spawn(tell_who(TcpListener::bind((application, port)).await?));
        }
        let client = client.try_clone()?;
        tokio::task::spawn_blocking(move || client.run_async(|| ask(own, application))).await?
    })
}

async fn ask(own: IpAddr, application: IpAddr) -> Result<()> {
    let vip = IpAddr::from([10, 96, 0, 10]);
    // By the chain of a port, and by the one for all others.
    let answer = get("app", (vip, 80)).await?;
    ensure!(answer.status == 200 && answer.pod() == "app", "{}", answer.summary());
    for at in [(vip, 9000), (application, WHO[1])] {
        let mut stream = connect(at).await?;
        // Where nobody knows what is spoken, clients are first.
        stream.write_all(b"who?\n").await?;
        let told = read_line(&mut stream).await.with_context(|| format!("{at:?}"))?;
        ensure!(told == own.to_string(), "at {at:?} the workload sees {told} in place of {own}");
    }

    // HTTP/1.0, which Envoy turns away where nobody asks for it.
    let mut stream = connect((vip, 80)).await?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: app\r\n\r\n").await?;
    let status = read_line(&mut stream).await?;
    ensure!(status.contains(" 200 "), "{status}");

    // The proxy's own port, beside what is redirected.
    let answer = Request::get("http://app.pods/")?.send((IpAddr::from([127, 0, 0, 1]), PROXY).into()).await?;
    ensure!(answer.status == 200 && answer.pod() == "app", "{}", answer.summary());

    // A pod's own port, whatever the Service calls the port behind it.
    let answer = get("app-headless:8081", (application, 8081)).await?;
    let port = answer.echo.as_ref().map(|echo| echo.port);
    ensure!(answer.status == 200 && port == Some(8081), "port {port:?}: {}", answer.summary());

    // Nothing that MongoDB would say: a message of 16 bytes with an operation that there is not.
    eventually(WITHIN, async || {
        let mut stream = connect((vip, 27017)).await?;
        Ok(stream.write_all(&[16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 9, 0, 0]).await?)
    })
    .await?;

    // Silence ends a connection when the time is over that the client's proxy has been told.
    let mut stream = connect((vip, 9000)).await?;
    read_line(&mut stream).await?;
    let end = tokio::time::timeout(WITHIN, stream.read(&mut [0])).await;
    let end = end.context("a silent connection stays open")??;
    ensure!(end == 0, "{end} bytes more");
    Ok(())
}

async fn connect(to: (IpAddr, u16)) -> Result<TcpStream> {
    TcpStream::connect(to).await.with_context(|| format!("connect to {to:?}"))
}

async fn read_line(stream: &mut TcpStream) -> Result<String> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(tokio::time::timeout(WITHIN, stream.read_u8()).await.context("nothing is said")??);
    }
    Ok(String::from_utf8(line)?.trim_end().to_owned())
}
