//! Connections of bytes that stay, and new ones all the time, until told to stop.
//!
//! In: where programs connect to. Out: what came of them. Each connection that stays sends a line again and again and waits for its echo;
//! meanwhile others come, ask who answers, and go. What breaks is told, with what the test was doing.

use anyhow::{Context, Result, ensure};
use meltemi_local::echo::{EchoAnswer, WHOAMI};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{interval, timeout},
};

/// Longer than any answer takes.
const WITHIN: Duration = Duration::from_secs(20);
/// How often a connection sends a line.
const BEAT: Duration = Duration::from_millis(20);

/// Connections that are being used.
pub struct Streams {
    state: watch::Sender<State>,
    connections: JoinSet<Result<()>>,
}

/// What all connections share.
#[derive(Debug, Default)]
struct State {
    meanwhile: String,
    exchanges: usize,
    stopped: bool,
}

impl Streams {
    /// Opens `kept` connections to `to` that stay, and each [`BEAT`] one that does not; none at all if that is zero. Returns once all that stay have been answered.
    ///
    /// # Errors
    /// When one is not.
    pub async fn open(to: SocketAddr, kept: usize) -> Result<Self> {
        let state = watch::Sender::new(State::default());
        let mut connections = JoinSet::new();
        for _ in 0..kept {
            let mut stream = Line::connect(to).await?;
            stream.exchange().await.context("the first line")?;
            connections.spawn(stay(stream, state.clone()));
        }
        if kept > 0 {
            connections.spawn(come_and_go(to, state.clone()));
        }
        let streams = Self { state, connections };
        streams.meanwhile("before the first edit");
        Ok(streams)
    }

    /// Says what the test does from now on, for failures.
    pub fn meanwhile(&self, what: &str) {
        self.state.send_modify(|state| what.clone_into(&mut state.meanwhile));
    }

    /// Waits until so many more lines and connections have been answered, or none is left to answer.
    pub async fn more(&self, count: usize) {
        let until = self.state.borrow().exchanges + count;
        // An error would mean that the sender is gone, which is here.
        let _ = timeout(WITHIN, self.state.subscribe().wait_for(|state| state.exchanges >= until)).await;
    }

    /// Stops, and tells how many lines and connections were answered.
    ///
    /// # Errors
    /// When a connection broke, or a new one was not answered.
    pub async fn stop(mut self) -> Result<usize> {
        self.state.send_modify(|state| state.stopped = true);
        while let Some(ended) = self.connections.join_next().await {
            ended??;
        }
        Ok(self.state.borrow().exchanges)
    }
}

async fn stay(mut stream: Line, state: watch::Sender<State>) -> Result<()> {
    let mut beat = interval(BEAT);
    while !state.borrow().stopped {
        beat.tick().await;
        let sent = stream.exchange().await;
        sent.with_context(|| format!("a connection that stays, {}", state.borrow().meanwhile))?;
        state.send_modify(|state| state.exchanges += 1);
    }
    Ok(())
}

async fn come_and_go(to: SocketAddr, state: watch::Sender<State>) -> Result<()> {
    let mut beat = interval(BEAT);
    while !state.borrow().stopped {
        beat.tick().await;
        let asked = async { Line::connect(to).await?.whoami().await };
        asked.await.with_context(|| format!("a new connection, {}", state.borrow().meanwhile))?;
        state.send_modify(|state| state.exchanges += 1);
    }
    Ok(())
}

/// A connection of lines.
struct Line {
    stream: BufReader<TcpStream>,
    number: usize,
}

impl Line {
    async fn connect(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).await.with_context(|| format!("connect to {to}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), number: 0 })
    }

    async fn exchange(&mut self) -> Result<()> {
        self.number += 1;
        let line = format!("line {}\n", self.number);
        let echo = self.send(&line).await?;
        ensure!(echo == line, "`{echo}` instead of `{line}`");
        Ok(())
    }

    async fn whoami(&mut self) -> Result<()> {
        let line = self.send(&format!("{WHOAMI}\n")).await?;
        serde_json::from_str::<EchoAnswer>(&line).with_context(|| format!("`{line}`"))?;
        Ok(())
    }

    async fn send(&mut self, line: &str) -> Result<String> {
        self.stream.write_all(line.as_bytes()).await.with_context(|| format!("line {}", self.number))?;
        let mut echo = String::new();
        let read = timeout(WITHIN, self.stream.read_line(&mut echo)).await;
        read.context("no answer in time")?.with_context(|| format!("line {}", self.number))?;
        ensure!(!echo.is_empty(), "closed before line {} came back", self.number);
        Ok(echo)
    }
}
