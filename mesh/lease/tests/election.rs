//! Elections on a real Kubernetes API server: a leader that crashes, one that is cut off, one that gives up.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use http::{Request, Response};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use mesh_lease::Candidate;
use mesh_testkit::ApiServer;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

const NAME: &str = "leader";
const LEASE: Duration = Duration::from_secs(2);
/// Longer than anything takes on a machine that compiles meanwhile.
const WITHIN: Duration = Duration::from_secs(60);

async fn client(server: &ApiServer) -> Client {
    let file = Kubeconfig::read_from(server.kubeconfig_path()).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// A replica.
struct Replica {
    leading: watch::Receiver<bool>,
    /// Whether its requests get through.
    reaches: watch::Sender<bool>,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    /// Stands for election, by a client whose requests can be made to hang.
    fn start(client: &Client, namespace: &str, identity: &str) -> Self {
        let (reaches, open) = watch::channel(true);
        let inner = client.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, mut open) = (inner.clone(), open.clone());
            async move {
                if open.wait_for(|open| *open).await.is_err() {
                    std::future::pending::<()>().await;
                }
                let answer: Result<Response<Body>, kube::Error> = client.send(request).await;
                answer
            }
        });
        let client = Client::new(service, namespace);
        let (sender, leading) = watch::channel(false);
        let end = CancellationToken::new();
        let candidate = Candidate::new(client, namespace, NAME, identity.to_owned(), LEASE);
        let task = tokio::spawn(candidate.run(sender, end.clone()));
        Self { leading, reaches, end, task }
    }

    /// Waits until it leads, or no longer does.
    async fn until(&mut self, leads: bool) {
        timeout(WITHIN, self.leading.wait_for(|now| *now == leads)).await.unwrap().unwrap();
    }

    fn leads(&self) -> bool {
        *self.leading.borrow()
    }
}

/// What the Lease says: its holder, and how often it has changed hands.
async fn lease(client: &Client, namespace: &str) -> (String, i32) {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let spec = api.get(NAME).await.unwrap().spec.unwrap();
    (spec.holder_identity.unwrap_or_default(), spec.lease_transitions.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_leader_is_followed_by_another_when_its_lease_has_run_out() {
    let Some(server) = ApiServer::shared().await else { return };
    let (client, namespace) = (client(server).await, server.fresh_namespace("crash").await.unwrap());
    let mut first = Replica::start(&client, &namespace, "first");
    first.until(true).await;
    let mut second = Replica::start(&client, &namespace, "second");
    let mut third = Replica::start(&client, &namespace, "third");
    assert_eq!(lease(&client, &namespace).await, ("first".to_owned(), 0));

    // It ends without a word, and may have renewed just before.
    first.task.abort();
    assert!(first.task.await.unwrap_err().is_cancelled());
    let crashed = Instant::now();
    assert_eq!(lease(&client, &namespace).await.0, "first", "nobody gave it back");
    tokio::select! {
        () = second.until(true) => {}
        () = third.until(true) => {}
    }
    // Half of it: its last renewal may be a period old by the time of the crash, and was seen some time after it was made.
    assert!(crashed.elapsed() >= LEASE / 2, "after {:?}", crashed.elapsed());
    assert!(second.leads() != third.leads(), "both lead");
    let (holder, transitions) = lease(&client, &namespace).await;
    assert_eq!((holder == "second", transitions), (second.leads(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_stops_before_another_begins() {
    let Some(server) = ApiServer::shared().await else { return };
    let (client, namespace) = (client(server).await, server.fresh_namespace("cut-off").await.unwrap());
    let mut first = Replica::start(&client, &namespace, "first");
    first.until(true).await;
    let mut second = Replica::start(&client, &namespace, "second");
    first.reaches.send_replace(false);
    second.until(true).await;
    assert!(!first.leads(), "both lead");

    // Back again it finds that another leads, and what it had under way comes too late.
    first.reaches.send_replace(true);
    second.end.cancel();
    second.until(false).await;
    first.until(true).await;
    assert!(!second.leads() && lease(&client, &namespace).await == ("first".to_owned(), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_ends_gives_the_lease_back() {
    let Some(server) = ApiServer::shared().await else { return };
    let (client, namespace) = (client(server).await, server.fresh_namespace("ends").await.unwrap());
    let mut first = Replica::start(&client, &namespace, "first");
    first.until(true).await;
    first.end.cancel();
    first.task.await.unwrap();
    assert!(!*first.leading.borrow());
    assert_eq!(lease(&client, &namespace).await.0, "");
    let mut second = Replica::start(&client, &namespace, "second");
    second.until(true).await;
    assert_eq!(lease(&client, &namespace).await, ("second".to_owned(), 1));
}
