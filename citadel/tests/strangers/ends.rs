//! A root whose end comes near: it is replaced without anybody asking, in time, and whoever has a certificate renews it all the while.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use citadel::{Config, RootConfig};
use mesh_pki::{Credential, Facts, TrustBundle, keys, keys::KeyKind, request};
use tokio::time::Instant;

use crate::{
    HOUR,
    port::{Proof, openssl_verify, order},
    serve_with,
};

const ROOT: Duration = Duration::from_secs(40);
/// Of its life, and of the minutes that it is dated back: with 25 seconds left it begins to be replaced.
const RENEW_AT: f64 = 25.0 / 340.0;

fn end(bundle: &TrustBundle) -> Result<SystemTime> {
    Ok(Facts::read(bundle.roots().first().context("no root")?)?.not_after)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_is_replaced_by_itself_before_it_ends() {
    let (served, tokens) = serve_with(|config| {
        let mut config = Config {
            root: RootConfig {
                lifetime: ROOT,
                renew_at: RENEW_AT,
                settle: Duration::from_millis(200),
                tick: Duration::from_millis(50),
                ..RootConfig::default()
            },
            ..config
        };
        config.lifetimes.usual = Duration::from_secs(3);
        (config.limits.rate, config.limits.burst) = (1e6, 1e6);
        config
    })
    .await;
    let outcome = async {
        let first = served.citadel.bundle();
        let token = tokens.token("shop", "web", HOUR)?;
        let key = keys::generate(KeyKind::P256)?;
        let csr = request::make(&key, None)?;
        let mut chain = served.ask(Proof::token(&token), order(&csr)).await?;
        let mut steps = Vec::new();
        let mut stored = served.citadel.stored();
        let until = Instant::now() + ROOT;
        loop {
            let step = stored.borrow_and_update().kept.rotation.name();
            if steps.last() != Some(&step) {
                steps.push(step);
            }
            if steps.len() == 4 {
                break;
            }
            ensure!(Instant::now() < until, "its root has ended: {steps:?}");
            // By the certificate alone, which the next one takes the place of, whoever has signed either.
            let credential = Credential::from_pem(&chain[0], &key.serialize_pem())?;
            let next = served.ask(Proof::credential(&credential), order(&csr)).await.context(step)?;
            // Who knows the roots of the certificate before takes the next one, too.
            let roots_of_before = chain.last().context("no roots")?.clone();
            openssl_verify(&[&next[..next.len() - 1], &[roots_of_before]].concat()).context(step)?;
            chain = next;
            // As soon as something changes, and before the certificate ends in any case.
            let _ = tokio::time::timeout(Duration::from_secs(1), stored.changed()).await;
        }
        ensure!(
            steps == ["steady", "distributing the next root", "retiring the old root", "steady"],
            "{steps:?}"
        );
        let second = served.citadel.bundle();
        ensure!(!second.contains(&first) && SystemTime::now() < end(&first)?, "in time");
        ensure!(end(&second)? > end(&first)?);
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
