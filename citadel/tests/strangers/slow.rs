//! Clients that take their time: in the handshake, before their first call, and within one.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::future::join_all;
use h2::{SendStream, client::ResponseFuture};
use mesh_pki::{TrustBundle, tls};
use tonic::Code;

use crate::{
    HOUR, code, csr,
    interop::head,
    port::{Proof, Served, order},
    serve,
};

/// As many as a connection may have at once, and more than may be at work at once.
const SLOW: usize = 100;
const WITHIN: Duration = Duration::from_secs(60);

/// Whether the other side closes a connection within a time.
fn is_closed_within(
    mut stream: impl Read + Write,
    patience: Duration,
    mut send: impl FnMut(usize) -> u8,
) -> bool {
    let since = Instant::now();
    let mut buffer = [0; 4096];
    for at in 0.. {
        if since.elapsed() > patience {
            return false;
        }
        if stream.write_all(&[send(at)]).is_err() || stream.flush().is_err() {
            return true;
        }
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_byte_at_a_time_is_dropped() {
    let (served, tokens) = serve().await;
    let address = served.address;
    let bundle: TrustBundle = served.citadel.bundle();
    let slow = tokio::task::spawn_blocking(move || {
        let connect = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            stream
        };
        // In the handshake: the beginning of one, a byte at a time.
        let hello = [22, 3, 1, 64, 0, 1, 0, 63, 252, 3, 3];
        let in_handshake =
            is_closed_within(connect(), Duration::from_secs(20), |at| hello.get(at).copied().unwrap_or(0));
        // After it: the beginning of HTTP/2.
        let config = Arc::new(tls::client(&bundle, None).unwrap());
        let name = "localhost".try_into().unwrap();
        let session = rustls::ClientConnection::new(config, name).unwrap();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let after =
            is_closed_within(rustls::StreamOwned::new(session, connect()), Duration::from_secs(20), |at| {
                preface.get(at).copied().unwrap_or(0)
            });
        (in_handshake, after)
    });
    assert_eq!(slow.await.unwrap(), (true, true));
    let token = tokens.token("shop", "web", HOUR).unwrap();
    assert_eq!(code(&served, Proof::token(&token), order(&csr())).await, Code::Ok);
}

/// Begins calls that are never to end: their heads are sent, and nothing else.
async fn begin(served: &Served, token: &str) -> Result<Vec<(ResponseFuture, SendStream<Bytes>)>> {
    let config = tls::client(&served.citadel.bundle(), None)?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = tokio::net::TcpStream::connect(served.address).await?;
    let socket = connector.connect("localhost".try_into()?, socket).await?;
    let (mut sender, connection) = h2::client::handshake(socket).await?;
    tokio::spawn(connection);
    let mut calls = Vec::new();
    for _ in 0..SLOW {
        sender = sender.ready().await?;
        calls.push(sender.send_request(head(token)?, false)?);
    }
    Ok(calls)
}

/// Sends a message of 1,000 bytes, a byte a second, until there is an answer; returns its status.
async fn dribble(response: ResponseFuture, mut body: SendStream<Bytes>) -> Result<String> {
    let mut bytes = [0, 0, 0, 3, 232].into_iter().chain(std::iter::repeat(b'x'));
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    tokio::pin!(response);
    loop {
        tokio::select! {
            answer = &mut response => {
                let answer = answer?;
                let status = answer.headers().get("grpc-status").context("no status")?;
                return Ok(status.to_str()?.to_owned());
            }
            _ = ticks.tick() => {
                let byte = Bytes::from(bytes.next().map_or_else(Vec::new, |byte| vec![byte]));
                // When the other side has had enough, its answer says so.
                let _ = body.send_data(byte, false);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_come_a_byte_a_second_are_ended_and_keep_nobody_waiting() {
    let (served, tokens) = serve().await;
    let token = tokens.token("shop", "slow", HOUR).unwrap();
    let outcome = async {
        let calls = begin(&served, &token).await?;
        let slow = join_all(calls.into_iter().map(|(response, body)| dribble(response, body)));
        let slow = tokio::spawn(tokio::time::timeout(WITHIN, slow));
        // All are on their way; another is served at once.
        let other = tokens.token("shop", "web", HOUR)?;
        for _ in 0..20 {
            let got = code(&served, Proof::token(&other), order(&csr())).await;
            ensure!(got == Code::Ok, "{got:?}");
        }
        ensure!(!slow.is_finished(), "they were not slow");
        let statuses: Vec<String> =
            slow.await?.context("still waited for")?.into_iter().collect::<Result<_>>()?;
        let late = (Code::DeadlineExceeded as i32).to_string();
        ensure!(statuses.iter().all(|status| *status == late), "{statuses:?}");
        ensure!(code(&served, Proof::token(&other), order(&csr())).await == Code::Ok);
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
