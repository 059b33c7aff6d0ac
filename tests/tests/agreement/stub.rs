//! Endpoints that answer everything and say who they are: requests in a header, other bytes in a line.

use anyhow::Result;
use mesh_testkit::ports::Loopback;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Enough that each endpoint of a mesh has one of its own.
const COUNT: usize = 48;

/// Listening sockets.
pub struct Stubs {
    addresses: Vec<SocketAddr>,
    _loopback: Loopback,
}

impl Stubs {
    pub async fn start() -> Result<Self> {
        let loopback = Loopback::claim()?;
        let mut addresses = Vec::new();
        for _ in 0..COUNT {
            let listener = TcpListener::bind((loopback.ip(), 0)).await?;
            let address = listener.local_addr()?;
            addresses.push(address);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer(stream, address));
                }
            });
        }
        Ok(Self { addresses, _loopback: loopback })
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }
}

/// Requests have no bodies here, so each ends with an empty line.
async fn answer(mut stream: TcpStream, address: SocketAddr) -> std::io::Result<()> {
    let text = format!("HTTP/1.1 200 OK\r\nx-endpoint: {address}\r\ncontent-length: 0\r\n\r\n");
    let (mut buffer, mut tail) = ([0; 4096], Vec::new());
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if tail.is_empty() && !buffer[0].is_ascii_uppercase() {
            // No request begins so.
            return stream.write_all(format!("endpoint {address}\n").as_bytes()).await;
        }
        tail.extend_from_slice(&buffer[..count]);
        while let Some(end) = tail.windows(4).position(|window| window == b"\r\n\r\n") {
            tail.drain(..end + 4);
            stream.write_all(text.as_bytes()).await?;
        }
    }
}
