//! `meltemi-agent proxy`: an agent and its Envoy, which begin and end together.

use std::{
    process::{ExitCode, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use meltemi_agent::{
    Agent,
    drain::drain,
    environment::{self, Environment, Flags},
    envoy::{Spawner, process::terminate},
    memory,
};
use mesh_runtime::signals;
use tokio_util::sync::CancellationToken;

use crate::args::ProxyArgs;

/// Envoy ends at once when it is told to; one that does not is stuck.
const END_WITHIN: Duration = Duration::from_secs(3);

pub async fn run(args: ProxyArgs) -> Result<ExitCode> {
    let ProxyArgs { role, domain, log_level, component_log_level, concurrency, bind_address, root, envoy } =
        args;
    let flags =
        Flags { role, domain, log_level, component_log_level, concurrency, bind: bind_address, root, envoy };
    let Environment { agent, envoy, drain: end, extras, unsupported } =
        environment::read(std::env::vars(), flags)?;
    for line in unsupported {
        tracing::warn!("{line}");
    }
    let (mut shutdown, _drain) = signals::shutdown().context("can't listen for signals")?;
    let node = agent.node.id();
    let beside = CancellationToken::new();
    let _end = beside.clone().drop_guard();
    let parts = extras.start(&agent.listen, &beside).await.context("can't listen for DNS queries")?;
    let mut agent = Agent::start(agent, parts).await?;
    let spawner = Spawner::start().context("can't start the thread that starts Envoy")?;
    let mut command = envoy.command(agent.bootstrap());
    command.stdin(Stdio::null());
    let child = spawner.spawn(command).await;
    let mut child = child.with_context(|| format!("can't run Envoy at {}", envoy.binary.display()))?;
    tracing::info!(node, "Envoy is started");
    tokio::spawn(memory::give_back_now_and_then());
    let asked = async {
        tokio::select! {
            signal = shutdown.signal() => signal.to_string(),
            () = agent.asked_to_quit() => "/quitquitquit".to_owned(),
        }
    };
    tokio::select! {
        ended = child.wait() => return Ok(exit_code(ended.context("can't wait for Envoy")?)),
        by = asked => tracing::info!(by, "ending"),
    }
    agent.status().set_draining();
    tokio::select! {
        ended = child.wait() => return Ok(exit_code(ended.context("can't wait for Envoy")?)),
        () = drain(end) => {}
        // Who asks twice means it.
        signal = shutdown.signal() => tracing::warn!(%signal, "ending at once"),
    }
    terminate(child, END_WITHIN).await;
    Ok(ExitCode::SUCCESS)
}

/// An Envoy that ends by itself takes the agent with it: whoever runs the pod then starts both anew, and sees why.
fn exit_code(status: ExitStatus) -> ExitCode {
    tracing::error!(%status, "Envoy has ended");
    let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
    ExitCode::from(code.unwrap_or(1))
}
