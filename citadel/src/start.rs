//! Starts the authority and keeps it going.
//!
//! In: settings. Out: [`Citadel`], what others of the process need of it. How its parts come about is in `parts`.

mod parts;

use std::{sync::Arc, time::SystemTime};

use http::{Extensions, HeaderMap};
use mesh_lease::Candidate;
use mesh_pki::{Credential, TrustBundle};
use mesh_proto::istio::v1::auth::istio_certificate_service_server::IstioCertificateServiceServer;
use mesh_runtime::drain::Drain;
use rustls::ServerConfig;
use tokio::{sync::watch, task::AbortHandle};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    Authority,
    authenticate::{Authenticator, Oidc, Refusal, RequireCaller, TokenReviewer, follow},
    caller::Caller,
    config::{Config, MeshIdentity, Place, RootConfig},
    guard::Guarded,
    impersonate::NodeAgents,
    issue::AddressError,
    ledger::Ledger,
    limits::Turns,
    metrics::Metrics,
    publish,
    replicas::Replicas,
    report::Report,
    root::{
        Loaded, RootError,
        create::Request,
        keep::Keeper,
        rotation::Policy,
        store::{KubernetesStore, MemoryStore, Store, Stored},
    },
    service::CertificateService,
    serving::{self, Maker, ServingError},
    trust,
};
use parts::{Keeping, issuer, load, look_after, register, signer_of_own};

/// The Lease of whoever writes the authority and its roots.
pub const LEASE_NAME: &str = "meltemi-citadel-leader";

/// Why the authority could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no authority.
    #[error(transparent)]
    Root(#[from] RootError),
    /// There is no certificate to serve with.
    #[error("the control plane's own certificate: {0}")]
    Serving(#[from] ServingError),
    /// Whoever signs can't be asked.
    #[error("the authority elsewhere: {0}")]
    Elsewhere(#[from] AddressError),
    /// There is no API server.
    #[error("a signer of the Kubernetes API needs a cluster")]
    NoCluster,
}

/// A running authority. Cheap to clone; what runs in the background ends with the last clone.
#[derive(Clone)]
pub struct Citadel {
    inner: Arc<Inner>,
}

struct Inner {
    authority: Authority,
    mesh: watch::Receiver<Arc<MeshIdentity>>,
    authenticator: Authenticator,
    service: Guarded<IstioCertificateServiceServer<CertificateService>>,
    tls: watch::Receiver<Arc<ServerConfig>>,
    serving: watch::Receiver<Credential>,
    stored: watch::Receiver<Stored>,
    ledger: Ledger,
    memory: Option<MemoryStore>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Citadel {
    /// Adds the certificate service to what a port serves.
    #[must_use]
    pub fn add_to(&self, routes: Routes) -> Routes {
        routes.add_service(self.inner.service.clone())
    }

    /// The certificate service alone.
    pub fn routes(&self) -> Routes {
        Routes::new(self.inner.service.clone())
    }

    /// Lets only proven callers through to another service; `tell` may put the caller into words that the service knows.
    pub fn require_caller(
        &self,
        tell: impl Fn(&Caller, &mut Extensions) + Send + Sync + 'static,
    ) -> RequireCaller {
        RequireCaller::new(self.inner.authenticator.clone(), tell)
    }

    /// Who sent a request with these headers to a port without TLS: tokens alone prove that.
    ///
    /// # Errors
    /// When that is not proven, or can't be found out now.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        self.inner.authenticator.authenticate(headers, &Extensions::new()).await
    }

    /// TLS for the port, renewed while it serves.
    pub fn tls(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.inner.tls.clone()
    }

    /// The trusted roots.
    pub fn bundle(&self) -> TrustBundle {
        self.inner.authority.current().bundle().clone()
    }

    /// Who signs, and its successors.
    pub fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    /// What mesh settings say of identity, and what follows.
    pub fn mesh(&self) -> watch::Receiver<Arc<MeshIdentity>> {
        self.inner.mesh.clone()
    }

    /// How far a change of the root is, and what follows.
    pub fn stored(&self) -> watch::Receiver<Stored> {
        self.inner.stored.clone()
    }

    /// How long everything still lives.
    pub fn report(&self) -> Report {
        self.inner.report(SystemTime::now())
    }

    /// The same, with every workload's certificate that this replica has issued.
    pub fn full_report(&self) -> Report {
        let (now, bundle) = (SystemTime::now(), self.inner.authority.current().bundle().digest());
        self.inner.report(now).with_workloads(self.inner.ledger.held(bundle, now), now)
    }

    /// Asks for a new root, where the authority is kept in this process; elsewhere the Secret is to be annotated. Tells whether it was heard.
    pub fn rotate(&self) -> bool {
        self.inner.memory.as_ref().map(MemoryStore::request_rotation).is_some()
    }
}

impl Inner {
    fn report(&self, now: SystemTime) -> Report {
        let state = self.authority.current();
        let standing = self.ledger.standing(state.bundle().digest(), now);
        Report::new(&state, &self.stored.borrow(), &self.serving.borrow(), &standing, now)
    }
}

/// Starts everything. Resolves when there is an authority; as long as its Secret can't be had, or makes none, it keeps trying.
///
/// # Errors
/// When a part can't be set up.
pub async fn start(config: Config, metrics: Metrics, drain: &Drain) -> Result<Citadel, StartError> {
    match config.place.clone() {
        Place::Memory => {
            let store = MemoryStore::new();
            let (_, leading) = watch::channel(true);
            let keeping = Keeping {
                store: store.clone(),
                leading,
                memory: Some(store),
                tasks: Vec::new(),
                replicas: None,
            };
            start_with(config, keeping, metrics).await
        }
        Place::Cluster { client, namespace, identity, lease } => {
            let (leads, leading) = watch::channel(false);
            let replicas = Replicas::new(client.clone(), &namespace, &identity);
            let candidate = Candidate::new(client.clone(), &namespace, LEASE_NAME, identity, lease);
            let end = CancellationToken::new();
            let hold = drain.hold("the certificate authority's lease");
            let (signaled, cancel) = (hold.signaled(), end.clone());
            tokio::spawn(async move {
                signaled.await;
                cancel.cancel();
            });
            let election = tokio::spawn(async move {
                candidate.run(leads, end).await;
                drop(hold);
            });
            let replicas = register(replicas).await;
            let store = KubernetesStore::new(client, &namespace);
            let tasks = vec![election.abort_handle()];
            let keeping = Keeping { store, leading, memory: None, tasks, replicas };
            start_with(config, keeping, metrics).await
        }
    }
}

async fn start_with<S: Store>(
    config: Config,
    keeping: Keeping<S>,
    metrics: Metrics,
) -> Result<Citadel, StartError> {
    let Keeping { store, leading, memory, mut tasks, replicas } = keeping;
    let Config {
        place,
        mesh,
        signer,
        tokens,
        oidc,
        node_accounts,
        lifetimes,
        limits,
        root,
        server_names,
        serving,
    } = config;
    let RootConfig { key, lifetime, renew_at, settle, tick } = root;
    let organization = mesh.borrow().trust_domain.name.clone();
    let request = Request { organization, key, lifetime };
    let Loaded { state, stored, created } = load(&store, &request, &metrics).await?;
    let now = SystemTime::now();
    let authority = Authority::new(state);
    tasks.push(trust::start(mesh.clone(), &signer, &serving, authority.clone()));
    let ledger = Ledger::default();
    let cluster = match place {
        Place::Memory => None,
        Place::Cluster { client, namespace, identity: _, lease: _ } => Some((client, namespace)),
    };
    let longest = stored.kept.longest.unwrap_or_default().max(lifetimes.usual);
    let (stored_sender, stored) = watch::channel(stored);
    let keeper = Keeper {
        store,
        authority: authority.clone(),
        stored: stored_sender,
        leading: leading.clone(),
        ledger: ledger.clone(),
        metrics: metrics.clone(),
        policy: Policy { request, settle, lifetime: lifetimes.usual, renew_at },
        tick,
        // Nobody else has signed with an authority that was just made.
        unknown_until: if created { now } else { now + longest },
        alone: cluster.is_none(),
        refused: None,
        replicas,
        handed_out: (authority.current().bundle().digest(), now),
    };
    tasks.push(tokio::spawn(keeper.run()).abort_handle());
    let clusters = tokens.as_ref().map(|(clusters, _)| clusters.clone());
    let client = cluster.as_ref().map(|(client, _)| client.clone());
    if let Some((client, namespace)) = cluster {
        let publishing = publish::run(client.clone(), authority.clone(), leading);
        tasks.push(tokio::spawn(publishing).abort_handle());
        if let Some(clusters) = clusters.clone() {
            tasks.push(tokio::spawn(follow(client, namespace, clusters)).abort_handle());
        }
    }
    let signer_of_own = signer_of_own(serving, client.as_ref(), &authority)?;
    let maker = Maker::new(server_names, lifetimes.usual, signer_of_own);
    let (tls, serving) = serving::start(&authority, maker, metrics.clone()).await?;
    let tokens = tokens.map(|(clusters, audiences)| TokenReviewer::new(clusters, audiences));
    let oidc = oidc.into_iter().map(Oidc::new).collect();
    let authenticator = Authenticator::new(mesh.clone(), oidc, tokens);
    let issuer = issuer(signer, client, &authority)?;
    let service = CertificateService {
        authenticator: authenticator.clone(),
        node_agents: NodeAgents::new(node_accounts, clusters),
        turns: Turns::new(limits),
        issuer,
        lifetimes,
        ledger: ledger.clone(),
        metrics: metrics.clone(),
    };
    let service = service.into_server();
    tasks.push(
        tokio::spawn(look_after(metrics, authority.clone(), ledger.clone(), stored.clone(), serving.clone()))
            .abort_handle(),
    );
    let inner =
        Inner { authority, mesh, authenticator, service, tls, serving, stored, ledger, memory, tasks };
    Ok(Citadel { inner: Arc::new(inner) })
}
