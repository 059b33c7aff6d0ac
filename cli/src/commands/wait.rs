//! `meltemi wait`: until an object meets a condition, as an API server or a control plane on this machine tells it.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use mesh_model::ObjectRef;
use pilot_status::{Condition, ConditionType};
use tokio::time::Instant;

use super::proxy::ask;
use crate::{args::WaitArgs, output};

/// How often a control plane is asked.
const ASK_AGAIN: Duration = Duration::from_millis(200);

pub async fn run(args: WaitArgs) -> Result<ExitCode> {
    let WaitArgs { object, condition, namespace, timeout, kubeconfig, address } = args;
    let object = ObjectRef::new(object.kind, namespace, object.name);
    let met = match (kubeconfig, address) {
        (None, Some(address)) => of_control_plane(address.0, &object, condition, timeout).await?,
        (kubeconfig, _) => {
            let client = pilot_ingest::connect(kubeconfig.as_deref()).await?;
            pilot_status::wait_for(&client, &object, condition, timeout).await?
        }
    };
    let Condition { r#type, message, .. } = met;
    let about = if message.is_empty() { String::new() } else { format!(": {message}") };
    output::print(&format!("{object} is {type:?}{about}\n"))?;
    Ok(ExitCode::SUCCESS)
}

async fn of_control_plane(
    address: SocketAddr,
    object: &ObjectRef,
    condition: ConditionType,
    timeout: Duration,
) -> Result<Condition> {
    let ObjectRef { kind, name } = object;
    let path = format!("/debug/status?kind={kind}&namespace={}&name={}", name.namespace, name.name);
    let end = Instant::now() + timeout;
    loop {
        let said: Vec<Condition> = ask(address, &path).await?;
        let instead = match said.into_iter().find(|said| said.r#type == condition) {
            Some(met) if met.holds() => return Ok(met),
            Some(Condition { reason, message, .. }) => format!("{reason}: {message}"),
            None => "the control plane has no such object".to_owned(),
        };
        if Instant::now() >= end {
            bail!("{object} is not {condition:?} after {timeout:?}: {instead}");
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
