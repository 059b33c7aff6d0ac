//! Where programs go that know an address: `resolution: NONE` of a ServiceEntry, and `PASSTHROUGH` of a DestinationRule.

use super::{WITHIN, get, settings::Settings, whoami};
use anyhow::{Result, ensure};
use mesh_testkit::eventually;
use std::net::IpAddr;
use tokio::time::timeout;

const PASSTHROUGH: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: passed, namespace: pods}
spec: {host: passed.example.com, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}
";

pub(super) async fn ask(settings: &Settings, application: IpAddr, outside: IpAddr) -> Result<()> {
    ask_without_resolution(settings, application, outside).await?;
    ask_through(settings, outside).await
}

/// Where nobody else is let out, whoever has such a name is, on the ports of the ServiceEntry, and to the address that was meant.
async fn ask_without_resolution(settings: &Settings, application: IpAddr, outside: IpAddr) -> Result<()> {
    settings.set("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")?;
    eventually(WITHIN * 2, async || {
        let answer = get("unknown.example.com", (outside, 8081)).await?;
        ensure!(answer.status == 502, "a name that nobody knows: {}", answer.summary());
        Ok(())
    })
    .await?;
    // The ports lead to themselves, or to another.
    for (host, port) in [
        ("meant.example.com", 8081),
        ("meant.example.com:8081", 8081),
        ("any.meant.example.com", 8081),
        ("meant.example.com:8079", 8079),
    ] {
        for (address, pod) in [(outside, "outside"), (application, "app")] {
            let answer = get(host, (address, port)).await?;
            let on = answer.echo.as_ref().map_or(0, |echo| echo.port);
            ensure!(answer.status == 200 && answer.pod() == pod && on == 8081, "{}, {on}", answer.summary());
        }
    }
    for port in [9092, 9096] {
        for (address, pod) in [(outside, "outside"), (application, "app")] {
            ensure!(whoami((address, port)).await? == pod, "bytes to {pod} on port {port}");
        }
    }
    let stranger = timeout(WITHIN, whoami((outside, 7070))).await?;
    ensure!(stranger.is_err(), "a port that no ServiceEntry has leads to {stranger:?}");
    settings.set("connectTimeout: 9s")
}

/// There is an endpoint, which gets what is meant for any address until a rule says to pass it through.
async fn ask_through(settings: &Settings, outside: IpAddr) -> Result<()> {
    let goes_to = async |pod: &str| {
        eventually(WITHIN * 2, async || {
            let answer = get("passed.example.com", (outside, 8081)).await?;
            ensure!(answer.status == 200 && answer.pod() == pod, "{pod} expected: {}", answer.summary());
            let bytes = whoami((outside, 9094)).await?;
            ensure!(bytes == pod, "bytes go to {bytes} and not to {pod}");
            Ok(())
        })
        .await
    };
    goes_to("app").await?;
    settings.write("passed.yaml", PASSTHROUGH)?;
    goes_to("outside").await
}
