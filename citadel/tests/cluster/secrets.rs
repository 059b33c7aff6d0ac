//! The authority's Secrets: made once, plugged in, reloaded, changed.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use citadel::{Config, RootConfig, root::rotation::Rotation};
use mesh_pki::{keys, keys::KeyKind, request};
use mesh_proto::istio::v1::auth::IstioCertificateRequest;
use mesh_testkit::{ApiServer, eventually};

use crate::port::{self, Proof, openssl_text, openssl_verify, order, run, token};

const WITHIN: Duration = Duration::from_secs(60);

fn csr() -> String {
    request::make(&keys::generate(KeyKind::P256).unwrap(), None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_share_one_root() {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = server.fresh_namespace("race").await?;
        let configs = futures::future::try_join_all(
            ["a", "b", "c", "d"].map(|identity| port::config(server, &namespace, identity)),
        );
        let served = futures::future::try_join_all(configs.await?.into_iter().map(port::serve)).await?;
        let mut digests: Vec<_> = served.iter().map(|served| served.citadel.bundle().digest()).collect();
        digests.dedup();
        ensure!(digests.len() == 1, "{digests:?}");
        // A certificate of one replica is proof for the others.
        let token = token(server, &namespace, "web", "istio-ca").await?;
        let credential = served[0].enrol(Proof::token(&token)).await?;
        served[3].enrol(Proof::credential(&credential)).await?;
        // One that comes later takes the same.
        let late = port::serve(port::config(server, &namespace, "late").await?).await?;
        ensure!(late.citadel.bundle().digest() == digests[0]);
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

/// A root and intermediates made by openssl, as people make them.
struct Corporate {
    directory: tempfile::TempDir,
}

impl Corporate {
    fn new(kind: &[&str]) -> Result<Self> {
        let corporate = Self { directory: tempfile::tempdir()? };
        corporate.key("root", kind)?;
        let (key, certificate) = (corporate.path("root.key"), corporate.path("root.pem"));
        run(Command::new("openssl")
            .args(["req", "-x509", "-new", "-sha256", "-days", "30", "-subj", "/O=Corp/CN=Root"])
            .args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"])
            .arg("-key")
            .arg(key)
            .arg("-out")
            .arg(certificate))?;
        Ok(corporate)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.path(name))?)
    }

    fn key(&self, name: &str, kind: &[&str]) -> Result<()> {
        run(Command::new("openssl")
            .arg("genpkey")
            .args(kind)
            .arg("-out")
            .arg(self.path(&format!("{name}.key"))))?;
        Ok(())
    }

    fn intermediate(&self, name: &str, kind: &[&str]) -> Result<()> {
        self.key(name, kind)?;
        let path = |suffix: &str| self.path(&format!("{name}.{suffix}"));
        std::fs::write(
            path("cnf"),
            "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n\
             subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
        )?;
        run(Command::new("openssl")
            .args(["req", "-new", "-subj", &format!("/O=Corp/CN={name}"), "-key"])
            .arg(path("key"))
            .arg("-out")
            .arg(path("csr")))?;
        run(Command::new("openssl")
            .args(["x509", "-req", "-sha256", "-days", "20", "-CAcreateserial", "-in"])
            .arg(path("csr"))
            .arg("-CA")
            .arg(self.path("root.pem"))
            .arg("-CAkey")
            .arg(self.path("root.key"))
            .arg("-extfile")
            .arg(path("cnf"))
            .arg("-out")
            .arg(path("pem")))?;
        Ok(())
    }
}

const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];

async fn plug_in(server: &ApiServer, namespace: &str, files: &[(&str, &Path)]) -> Result<()> {
    let files: Vec<String> =
        files.iter().map(|(key, path)| format!("--from-file={key}={}", path.display())).collect();
    let args = ["create", "secret", "generic", "cacerts", "-n", namespace, "--dry-run=client", "-o", "yaml"];
    let args: Vec<&str> = args.into_iter().chain(files.iter().map(String::as_str)).collect();
    let yaml = server.kubectl(&args).await?;
    server.kubectl_apply(&yaml).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugged_in_intermediate_signs_and_is_reloaded() {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("cacerts").await?;
        let corporate = Corporate::new(RSA)?;
        corporate.intermediate("one", RSA)?;
        corporate.intermediate("two", P384)?;
        // As Istio's own Makefile writes it: the root is in the chain, too.
        std::fs::write(
            corporate.path("chain.pem"),
            corporate.text("one.pem")? + &corporate.text("root.pem")?,
        )?;
        let [one, key, chain, root] =
            ["one.pem", "one.key", "chain.pem", "root.pem"].map(|name| corporate.path(name));
        let files: [(&str, &Path); 4] = [
            ("ca-cert.pem", &one),
            ("ca-key.pem", &key),
            ("cert-chain.pem", &chain),
            ("root-cert.pem", &root),
        ];
        plug_in(server, namespace, &files).await?;
        let served = port::serve(port::config(server, namespace, "one").await?).await?;
        let token = &token(server, namespace, "web", "istio-ca").await?;

        let first = served.ask(Proof::token(token), order(&csr())).await?;
        ensure!(first.len() == 3, "leaf, intermediate, root: {}", first.len());
        openssl_verify(&first)?;
        ensure!(openssl_text(&first[0])?.contains("Issuer: O = Corp, CN = one"));
        ensure!(first[1].trim() == corporate.text("one.pem")?.trim());
        ensure!(first[2].trim() == corporate.text("root.pem")?.trim());
        let credential = served.enrol(Proof::token(token)).await?;

        // The next one in the other form: it is taken while the port serves, and the old certificates stay good.
        let [two, key] = ["two.pem", "two.key"].map(|name| corporate.path(name));
        let files: [(&str, &Path); 3] = [("tls.crt", &two), ("tls.key", &key), ("ca.crt", &root)];
        plug_in(server, namespace, &files).await?;
        eventually(WITHIN, async || {
            let chain = served.ask(Proof::credential(&credential), order(&csr())).await?;
            openssl_verify(&chain)?;
            ensure!(openssl_text(&chain[0])?.contains("Issuer: O = Corp, CN = two"));
            Ok(())
        })
        .await?;

        // A root that nobody trusts yet is not taken: workloads would not understand each other.
        let stranger = Corporate::new(RSA)?;
        stranger.intermediate("three", P384)?;
        let [three, key, root] = ["three.pem", "three.key", "root.pem"].map(|name| stranger.path(name));
        let files: [(&str, &Path); 3] = [("tls.crt", &three), ("tls.key", &key), ("ca.crt", &root)];
        plug_in(server, namespace, &files).await?;
        eventually(WITHIN, async || {
            ensure!(served.metrics.reloads_refused.get() > 0);
            Ok(())
        })
        .await?;
        let chain = served.ask(Proof::credential(&credential), order(&csr())).await?;
        ensure!(openssl_text(&chain[0])?.contains("Issuer: O = Corp, CN = two"));
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_makes_no_authority_is_waited_for() {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("broken").await?;
        let corporate = Corporate::new(P384)?;
        corporate.intermediate("one", P384)?;
        let [one, key, root, wrong] =
            ["one.pem", "one.key", "root.pem", "root.key"].map(|name| corporate.path(name));
        plug_in(server, namespace, &[("tls.crt", &one), ("tls.key", &wrong), ("ca.crt", &root)]).await?;
        let config = port::config(server, namespace, "one").await?;
        let (metrics, (_trigger, drain)) = (citadel::Metrics::unregistered(), mesh_runtime::drain::channel());
        let counted = metrics.clone();
        let starting = tokio::spawn(async move { citadel::start(config, counted, &drain).await });
        eventually(WITHIN, async || {
            ensure!(metrics.reloads_refused.get() == 1, "told once");
            Ok(())
        })
        .await?;
        ensure!(!starting.is_finished(), "it goes on without an authority");
        // Nor has it made one of its own, which would lock every workload out.
        ensure!(server.kubectl(&["get", "secret", "istio-ca-secret", "-n", namespace]).await.is_err());
        plug_in(server, namespace, &[("tls.crt", &one), ("tls.key", &key), ("ca.crt", &root)]).await?;
        let citadel = tokio::time::timeout(WITHIN, starting).await.context("put right")???;
        ensure!(citadel.bundle().pem().trim() == corporate.text("root.pem")?.trim());
        ensure!(metrics.reloads_refused.get() == 1);
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

/// Steps that are over in seconds.
fn quick(config: Config) -> Config {
    let root = RootConfig {
        settle: Duration::from_secs(1),
        tick: Duration::from_millis(100),
        ..RootConfig::default()
    };
    let mut config = Config { root, ..config };
    config.lifetimes.usual = Duration::from_secs(4);
    (config.limits.rate, config.limits.burst) = (1e6, 1e6);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_root_survives_the_death_of_its_leader_in_every_step() {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("rotate").await?;
        let start =
            async |identity: &str| port::serve(quick(port::config(server, namespace, identity).await?)).await;
        let mut served = start("first").await?;
        let before = served.citadel.bundle();
        let token = &token(server, namespace, "web", "istio-ca").await?;
        let mut credential = served.enrol(Proof::token(token)).await?;
        // Somebody asks for more than usual: whoever leads later must know.
        let message = IstioCertificateRequest { validity_duration: 6, ..order(&csr()) };
        served.ask(Proof::token(token), message).await?;
        let mut stored = served.citadel.stored();
        let noted = tokio::time::timeout(WITHIN, stored.wait_for(|stored| stored.kept.longest.is_some()));
        ensure!(noted.await??.kept.longest >= Some(Duration::from_secs(5)));
        let annotation = format!("{}=now", citadel::root::store::ROTATE_ANNOTATION);
        server.kubectl(&["annotate", "secret", "istio-ca-secret", "-n", namespace, &annotation]).await?;

        // In each step the leader dies as soon as the step is written, and another goes on.
        for step in ["distributing the next root", "retiring the old root", "steady"] {
            let mut stored = served.citadel.stored();
            let reached = stored.wait_for(|stored| {
                stored.kept.rotation.name() == step
                    && (step != "steady" || stored.kept.material.roots != before.pem())
            });
            tokio::pin!(reached);
            let mut trusted = served.citadel.bundle();
            loop {
                tokio::select! {
                    outcome = &mut reached => {
                        let stored = outcome.context("the authority has ended")?.clone();
                        ensure!(!matches!(stored.kept.rotation, Rotation::Steady) || step == "steady");
                        break;
                    }
                    // Whatever the step, whoever has a certificate renews it, with the roots of then.
                    renewed = served.enrol(Proof::credential(&credential)) => credential = renewed?,
                }
                trusted = served.citadel.bundle();
            }
            drop(served);
            served = start(step).await?;
            // Both sides of the step take each other's certificates.
            let renewed = served.ask(Proof::credential(&credential), order(&csr())).await?;
            openssl_verify(&renewed)?;
            let with_roots_of_before = [&renewed[..renewed.len() - 1], &[trusted.pem().to_owned()]].concat();
            openssl_verify(&with_roots_of_before)?;
        }
        let after = served.citadel.bundle();
        ensure!(after.roots().len() == 1 && !after.contains(&before), "{after:?}");
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
