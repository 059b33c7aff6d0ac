//! In: the binaries that tools/build-apiserver.sh made. Out: a real Kubernetes API server (kube-apiserver and etcd) on
//! a loopback address of its own, without root, gone with the test process.
//!
//! There is no controller-manager: nothing makes default ServiceAccounts, collects what lost its owner, or ends a
//! namespace that is being deleted. So tests use a fresh namespace each and leave it behind.

mod binaries;
mod kubectl;
mod pki;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use tokio::sync::OnceCell;

use crate::{available, child::Child, eventually, ports::Loopback, sweep::SweptDir};
use binaries::Binaries;
use kubectl::Kubectl;
use pki::Pki;

/// It takes 2 to 3 seconds on an idle machine; the rest is for one that compiles meanwhile.
const START_WITHIN: Duration = Duration::from_secs(120);

/// A running kube-apiserver with its etcd.
pub struct ApiServer {
    kubectl: Kubectl,
    pki: Pki,
    address: SocketAddr,
    etcd_url: String,
    binaries: Binaries,
    namespaces: AtomicU64,
    /// Empty while [`ApiServer::kill`]ed.
    apiserver: Mutex<Option<Child>>,
    // Declared after the API server, so that it is dropped after it: less noise in the logs.
    _etcd: Child,
    _loopback: Loopback,
    directory: SweptDir,
}

impl ApiServer {
    /// Whether the binaries are there.
    ///
    /// # Errors
    /// With the reason, and what to do about it.
    pub fn available() -> Result<(), String> {
        Binaries::find().map(drop)
    }

    /// The server that all tests of this process share: use a [`fresh_namespace`](Self::fresh_namespace), and never
    /// restart it. `None` means: skip this test (the reason was printed).
    ///
    /// # Panics
    /// When it does not start, or when it is not available but `MELTEMI_REQUIRE_ALL` is set.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<ApiServer> = OnceCell::const_new();
        let binaries = available::or_skip("a Kubernetes API server", Binaries::find())?;
        Some(SHARED.get_or_init(|| Self::start_or_panic(binaries)).await)
    }

    /// A server for one test alone, such as one that restarts it. `None` means: skip this test.
    ///
    /// # Panics
    /// As [`ApiServer::shared`].
    pub async fn own() -> Option<Self> {
        let binaries = available::or_skip("a Kubernetes API server", Binaries::find())?;
        Some(Self::start_or_panic(binaries).await)
    }

    async fn start_or_panic(binaries: Binaries) -> Self {
        Self::start(binaries).await.unwrap_or_else(|error| panic!("the API server did not start: {error:#}"))
    }

    async fn start(binaries: Binaries) -> Result<Self> {
        let directory = SweptDir::new("meltemi-apiserver-")?;
        let loopback = Loopback::claim().context("claim a loopback address")?;
        let (client, peer) = (loopback.port()?, loopback.port()?);
        let address = loopback.port()?.release();
        let pki = Pki::write(&directory.path().join("pki"), address.ip())?;
        let kubeconfig = directory.path().join("kubeconfig");
        fs::write(&kubeconfig, pki.kubeconfig(&format!("https://{address}")))?;
        let kubectl = Kubectl {
            binary: binaries.kubectl.clone(),
            kubeconfig,
            cache: directory.path().join("kubectl-cache"),
        };

        let (client, peer) = (client.release(), peer.release());
        let etcd = start_etcd(&binaries, directory.path(), client, peer)?;
        let server = Self {
            kubectl,
            pki,
            address,
            etcd_url: format!("http://{client}"),
            binaries,
            namespaces: AtomicU64::new(0),
            apiserver: Mutex::new(None),
            _etcd: etcd,
            _loopback: loopback,
            directory,
        };
        server.serve_again().await?;
        Ok(server)
    }

    /// kubectl's configuration for an administrator; what `KUBECONFIG` or `--kubeconfig` take.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubectl.kubeconfig
    }

    /// Where it serves, as `https://address:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The PEM file with the authority that signed the serving certificate.
    pub fn ca_path(&self) -> &Path {
        &self.pki.ca
    }

    /// The PEM file with the key by which it signs tokens of service accounts.
    pub fn token_key_path(&self) -> &Path {
        &self.pki.service_accounts.key
    }

    /// Runs kubectl as administrator and returns what it printed.
    ///
    /// # Errors
    /// When it fails: with its standard error.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl.run(args, None).await
    }

    /// Runs kubectl with `input` on its standard input, as for `apply --server-side -f -`.
    ///
    /// # Errors
    /// When it fails: with its standard error.
    pub async fn kubectl_with_input(&self, args: &[&str], input: &str) -> Result<String> {
        self.kubectl.run(args, Some(input)).await
    }

    /// `kubectl apply -f -`, which is what users do.
    ///
    /// # Errors
    /// When an object is refused: with kubectl's words.
    pub async fn kubectl_apply(&self, yaml: &str) -> Result<String> {
        self.kubectl_with_input(&["apply", "-f", "-"], yaml).await
    }

    /// Makes a namespace that no other test of this process has.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn fresh_namespace(&self, prefix: &str) -> Result<String> {
        let name = format!("{prefix}-{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["create", "namespace", &name]).await?;
        Ok(name)
    }

    /// Kills the API server and starts it again on the same port, with the same data; returns when it is ready.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart(&self) -> Result<()> {
        self.kill();
        self.serve_again().await
    }

    /// Kills the API server: what watches it sees its connections die. etcd goes on.
    pub fn kill(&self) {
        // Dropping it kills it and waits until it is gone.
        self.apiserver().take();
    }

    /// Starts the API server that was killed; returns when it is ready.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn serve_again(&self) -> Result<()> {
        let log = self.directory.path().join("kube-apiserver.log");
        let child = Child::start("kube-apiserver", self.apiserver_command(), log)?;
        *self.apiserver() = Some(child);
        let ready = eventually(START_WITHIN, async || {
            let ended = self.apiserver().as_mut().is_none_or(|child| !matches!(child.ended(), Ok(None)));
            if ended {
                // No use in asking on; the log is added below.
                return Ok(Err(anyhow!("kube-apiserver ended")));
            }
            self.kubectl(&["get", "--raw", "/readyz"]).await.map(Ok)
        });
        let outcome = ready.await.and_then(|answer| answer);
        outcome.map(drop).map_err(|error| match self.apiserver().as_ref() {
            Some(child) => error.context(child.log_tail()),
            None => error,
        })
    }

    fn apiserver(&self) -> MutexGuard<'_, Option<Child>> {
        self.apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apiserver_command(&self) -> Command {
        let Pki { ca, serving, admin: _, service_accounts } = &self.pki;
        let mut command = Command::new(&self.binaries.apiserver);
        let ip = self.address.ip().to_string();
        let port = self.address.port().to_string();
        let flags: [(&str, &str); 11] = [
            ("etcd-servers", &self.etcd_url),
            ("bind-address", &ip),
            ("advertise-address", &ip),
            ("secure-port", &port),
            ("service-cluster-ip-range", "10.96.0.0/16"),
            ("authorization-mode", "Node,RBAC"),
            // Nothing makes ServiceAccounts here, so pods could not be created.
            ("disable-admission-plugins", "ServiceAccount"),
            // It would refuse to publish a loopback address as the endpoint of `kubernetes`, again and again.
            ("endpoint-reconciler-type", "none"),
            ("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
            ("profiling", "false"),
            ("shutdown-delay-duration", "0s"),
        ];
        command.args(flags.iter().map(|(name, value)| format!("--{name}={value}")));
        let files: [(&str, &PathBuf); 5] = [
            ("client-ca-file", ca),
            ("tls-cert-file", &serving.certificate),
            ("tls-private-key-file", &serving.key),
            ("service-account-key-file", &service_accounts.public),
            ("service-account-signing-key-file", &service_accounts.key),
        ];
        command.args(files.iter().map(|(name, path)| format!("--{name}={}", path.display())));
        // Its own certificates are given, but it makes this directory in any case.
        command.arg(format!("--cert-dir={}", self.directory.path().join("apiserver-run").display()));
        command
    }
}

fn start_etcd(binaries: &Binaries, directory: &Path, client: SocketAddr, peer: SocketAddr) -> Result<Child> {
    let mut command = Command::new(&binaries.etcd);
    command
        .args(["--name", "test", "--log-level", "warn"])
        // Data that is lost with the machine is lost with the test.
        .arg("--unsafe-no-fsync")
        .arg(format!("--data-dir={}", directory.join("etcd").display()))
        .arg(format!("--listen-client-urls=http://{client}"))
        .arg(format!("--advertise-client-urls=http://{client}"))
        .arg(format!("--listen-peer-urls=http://{peer}"))
        .arg(format!("--initial-advertise-peer-urls=http://{peer}"))
        .arg(format!("--initial-cluster=test=http://{peer}"));
    Child::start("etcd", command, directory.join("etcd.log"))
}
