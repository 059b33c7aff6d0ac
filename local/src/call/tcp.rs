//! In: the address of a TCP listener. Out: who is behind it, if an echo workload is.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::Answer;
use crate::echo::{EchoAnswer, WHOAMI};

/// More than the answer of an echo workload.
const MAX_LINE: u64 = 64 << 10;

pub(super) async fn ask(listener: SocketAddr) -> Result<Answer, String> {
    let stream = TcpStream::connect(listener).await;
    let stream = stream.map_err(|error| format!("the sidecar does not listen on {listener}: {error}"))?;
    let line = question(stream).await.map_err(|error| format!("the connection broke: {error}"))?;
    if line.is_empty() {
        return Err("the connection was closed without an answer".to_owned());
    }
    let by = serde_json::from_slice::<EchoAnswer>(&line).ok().map(|answer| answer.identity);
    let text = if by.is_some() { String::new() } else { "not from an echo workload".to_owned() };
    // What came before the first line, only HTTP has words for.
    Ok(Answer { code: "TCP".to_owned(), by, text, proven: None })
}

async fn question(mut stream: TcpStream) -> io::Result<Vec<u8>> {
    stream.write_all(format!("{WHOAMI}\n").as_bytes()).await?;
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_LINE)).read_until(b'\n', &mut line).await?;
    Ok(line)
}
