//! How TLS is spoken and what of it is taken changes at 500 requests a second, and under connections that stay: none fails, none breaks.

use crate::{AFTER_EACH, CLIENT, RATE, ROUTE, URL, alone, mode, run, say};
use anyhow::ensure;
use mesh_tests::traffic::{Load, Streams};
use std::net::SocketAddr;

/// So often there and back.
const ROUNDS: usize = 3;
/// Connections that stay.
const KEPT: usize = 5;
const FILE: &str = "modes.yaml";

/// How the client is told to speak.
fn speak(mode: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: secure}}
spec: {{host: web, trafficPolicy: {{tls: {{mode: {mode}}}}}}}
"
    )
}

/// Goes through `steps` again and again, without retries.
fn through(steps: &[(&str, String)]) {
    run(async |traffic| {
        let _alone = alone().await;
        let yaml = |step: &str| format!("{ROUTE}{step}");
        traffic.apply(FILE, &yaml(steps.last().map_or("", |(_, yaml)| yaml.as_str()))).await?;
        let proxy = traffic.proxy(CLIENT)?;
        let load = Load::start(proxy, URL, RATE)?;
        let streams = Streams::open(SocketAddr::new(proxy.ip(), 9000), KEPT).await?;
        load.more(AFTER_EACH).await;
        let edited = async {
            for round in 0..ROUNDS {
                for (name, step) in steps {
                    let what = format!("{name}, round {round}");
                    load.meanwhile(&what);
                    streams.meanwhile(&what);
                    traffic.apply(FILE, &yaml(step)).await?;
                    load.more(AFTER_EACH).await;
                }
            }
            anyhow::Ok(())
        };
        let edited = edited.await;
        let (streams, outcome) = (streams.stop().await, load.stop().await?);
        traffic.remove(FILE).await?;
        edited?;
        ensure!(outcome.failed == 0, "{outcome:#?}");
        ensure!(streams? > 0, "bytes went to and fro");
        say(&format!("{}, none failed", outcome.rate()?));
        Ok(())
    });
}

#[test]
fn strict_and_back() {
    through(&[("strict", mode("STRICT")), ("permissive", mode("PERMISSIVE"))]);
}

#[test]
fn clients_begin_to_speak_it() {
    through(&[
        ("by hand", speak("ISTIO_MUTUAL")),
        ("automatically", String::new()),
        ("plaintext", speak("DISABLE")),
    ]);
}

#[test]
fn plaintext_is_given_up_step_by_step() {
    through(&[
        ("spoken", mode("PERMISSIVE") + &speak("ISTIO_MUTUAL")),
        ("demanded", mode("STRICT") + &speak("ISTIO_MUTUAL")),
        ("taken", mode("PERMISSIVE") + &speak("ISTIO_MUTUAL")),
        ("plaintext", mode("PERMISSIVE") + &speak("DISABLE")),
    ]);
}

#[test]
fn no_longer_taken_and_back() {
    through(&[("disable", mode("DISABLE")), ("permissive", mode("PERMISSIVE"))]);
}
