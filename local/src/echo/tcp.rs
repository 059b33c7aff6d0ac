//! In: a byte stream. Out: the same bytes; and, if its first line is `WHOAMI`, a line of JSON first.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Replica, WHOAMI};

pub(super) async fn serve<S>(stream: S, port: u16, replica: &Replica) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite,
{
    replica.count();
    if replica.failing() {
        return Ok(());
    }
    let (mut read, mut write) = tokio::io::split(stream);
    let mut first = Vec::new();
    while maybe_asks(&first) && read.read_buf(&mut first).await? > 0 {}
    if asks(&first) {
        let mut line = serde_json::to_vec(&replica.answer(port, "TCP"))?;
        line.push(b'\n');
        write.write_all(&line).await?;
        let end = first.iter().position(|byte| *byte == b'\n').map_or(first.len(), |end| end + 1);
        first.drain(..end);
    }
    write.write_all(&first).await?;
    tokio::io::copy(&mut read, &mut write).await?;
    write.shutdown().await
}

/// Whether these bytes may still become the question: until then they can't be echoed.
fn maybe_asks(seen: &[u8]) -> bool {
    let question = WHOAMI.as_bytes();
    seen.len() <= question.len() && question.starts_with(&seen[..seen.len().min(question.len())])
}

fn asks(seen: &[u8]) -> bool {
    let line = seen.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line) == WHOAMI.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_a_whole_line() {
        assert!(asks(b"WHOAMI\n") && asks(b"WHOAMI\r\nmore") && asks(b"WHOAMI"));
        assert!(!asks(b"WHOAMI?\n") && !asks(b""));
        assert!(maybe_asks(b"") && maybe_asks(b"WHO") && maybe_asks(b"WHOAMI"));
        assert!(!maybe_asks(b"hello") && !maybe_asks(b"WHOAMI\n"));
    }
}
