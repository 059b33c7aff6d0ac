//! Where another agent serves the workload's secrets already, as SPIRE's does: Envoy gets them there, and this agent asks for none.

use anyhow::{Context, ensure};
use meltemi_agent::{Authority, KeyKind, Revoked, Settings, Workload, renewal::GRACE, sds};
use mesh_runtime::admin_client::get;
use mesh_testkit::{Envoy, eventually};
use tokio_util::sync::CancellationToken;

use super::{
    WITHIN, answers, teapot,
    world::{ControlPlane, Proxy, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_another_agent_are_left_to_it() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let world = World::new("agent-another", &[("hello.yaml", &teapot(418))]).await?;
        let plane = ControlPlane::start(&world).await?;
        let _echo = plane.start_echo().await?;
        let secrets = world.root().join("var/run/secrets/workload-spiffe-uds");
        std::fs::create_dir_all(&secrets)?;
        let listener = sds::bind(&secrets.join("socket")).await?;
        let other = Workload::start(Settings {
            authority: Authority {
                address: plane.address.to_string(),
                server_name: "localhost".to_owned(),
                cluster: "Kubernetes".to_owned(),
                revoked: Revoked::default(),
                key: KeyKind::P256,
            },
            token: world.root().join("var/run/secrets/tokens/istio-token"),
            roots: world.root().join("var/run/secrets/istio/root-cert.pem"),
            lifetime: std::time::Duration::ZERO,
            grace: GRACE,
            renew: None,
        });
        let end = CancellationToken::new();
        let _end = end.clone().drop_guard();
        tokio::spawn(sds::serve(listener, other.current(), end));

        let mut proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await.with_context(|| proxy.log())?;
        answers(&proxy, "/teapot", 418).await?;
        let serial = other.current().borrow().as_ref().map(|held| held.credential.facts().serial.clone());
        let serial = serial.context("the other agent has a certificate")?;
        eventually(WITHIN, async || {
            let certificates = get(proxy.listen().admin, "/certs").await?;
            let certificates = String::from_utf8_lossy(&certificates).into_owned();
            ensure!(certificates.contains(serial.trim_start_matches('0')), "no {serial} in {certificates}");
            Ok(())
        })
        .await?;
        // It has none of its own, and says so once.
        ensure!(proxy.serial().is_err(), "a certificate was kept");
        let said = proxy.log().matches("another agent serves the workload's secrets").count();
        ensure!(said == 1, "{}", proxy.log());

        // Its token is the only proof that this agent has: one that is replaced is taken up with the next connection.
        let token = world.root().join("var/run/secrets/tokens/istio-token");
        let good = std::fs::read_to_string(&token)?;
        std::fs::write(&token, "nonsense")?;
        let stopped = plane.stop().await;
        world.write("hello.yaml", &teapot(409))?;
        let plane = stopped.start_again().await?;
        eventually(WITHIN, async || {
            let log = proxy.log();
            ensure!(log.contains("request authenticate failure"), "{log}");
            Ok(())
        })
        .await?;
        answers(&proxy, "/teapot", 418).await?;
        std::fs::write(&token, good)?;
        eventually(WITHIN, async || answers(&proxy, "/teapot", 409).await).await?;
        drop(plane);
        proxy.signal("TERM");
        ensure!(proxy.wait().await?.success(), "{}", proxy.log());
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
