//! The trusted roots in a ConfigMap of every namespace, where pods mount them.
//!
//! In: the authority, the namespaces, the ConfigMaps as they are. Out: ConfigMap `istio-ca-root-cert` in each namespace, and
//! `istio-ca-crl` where there are revocation lists; put back when they are edited or deleted. The leader alone writes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::sync::watch;

use crate::{Authority, authority::State};

/// The ConfigMap with the trusted roots.
pub const ROOTS_CONFIG_MAP: &str = "istio-ca-root-cert";
/// Its key.
pub const ROOTS_KEY: &str = "root-cert.pem";
/// The ConfigMap with revocation lists.
pub const REVOCATIONS_CONFIG_MAP: &str = "istio-ca-crl";
/// Its key.
pub const REVOCATIONS_KEY: &str = "ca-crl.pem";
/// Pods may not start there, or it is not ours to write.
const SKIPPED: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];
/// Writes at a time.
const AT_ONCE: usize = 8;
/// After a write that failed.
const RETRY: Duration = Duration::from_secs(5);

/// Under which name the API server knows what we write.
const FIELD_MANAGER: &str = "meltemi-citadel";

#[derive(Default)]
struct Seen {
    namespaces: BTreeSet<String>,
    /// What ConfigMaps of our names hold, by namespace and name.
    held: HashMap<(String, String), Option<String>>,
    listed: [bool; 3],
}

/// Publishes while this replica leads. Runs until it is dropped.
pub(crate) async fn run(client: Client, authority: Authority, mut leading: watch::Receiver<bool>) {
    while leading.wait_for(|leads| *leads).await.is_ok() {
        let mut until = leading.clone();
        tokio::select! {
            () = publish(&client, &authority) => {}
            _ = until.wait_for(|leads| !*leads) => {}
        }
    }
}

enum Change {
    Namespace(Event<Namespace>),
    Roots(Event<ConfigMap>),
    Revocations(Event<ConfigMap>),
}

async fn publish(client: &Client, authority: &Authority) {
    let namespaces = watcher::watcher(Api::<Namespace>::all(client.clone()), watcher::Config::default());
    let config_maps = |name: &str| {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        watcher::watcher(Api::<ConfigMap>::all(client.clone()), config).default_backoff()
    };
    let mut changes = futures::stream::select_all([
        namespaces.default_backoff().map(|event| event.map(Change::Namespace)).boxed(),
        config_maps(ROOTS_CONFIG_MAP).map(|event| event.map(Change::Roots)).boxed(),
        config_maps(REVOCATIONS_CONFIG_MAP).map(|event| event.map(Change::Revocations)).boxed(),
    ]);
    let mut states = authority.watch();
    let mut seen = Seen::default();
    let mut failed = false;
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Ok(change)) => seen.take(change),
                Some(Err(error)) => {
                    tracing::debug!(%error, "a watch for the trusted roots in namespaces");
                    continue;
                }
                None => return,
            },
            changed = states.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(RETRY), if failed => {}
        }
        // A list comes as many events: what is known of it in part is no reason to write.
        if !seen.listed.iter().all(|listed| *listed) {
            continue;
        }
        let state = states.borrow_and_update().clone();
        let writes = seen.due(&state);
        failed = !write(client, &mut seen, writes).await;
    }
}

impl Seen {
    fn take(&mut self, change: Change) {
        match change {
            Change::Namespace(event) => self.take_namespace(event),
            Change::Roots(event) => self.take_config_map(event, 1, ROOTS_CONFIG_MAP, ROOTS_KEY),
            Change::Revocations(event) => {
                self.take_config_map(event, 2, REVOCATIONS_CONFIG_MAP, REVOCATIONS_KEY);
            }
        }
    }

    fn take_namespace(&mut self, event: Event<Namespace>) {
        match event {
            Event::Init => self.namespaces.clear(),
            Event::InitDone => self.listed[0] = true,
            Event::Apply(namespace) | Event::InitApply(namespace) => {
                let name = namespace.name_any();
                // One that is being deleted takes nothing new.
                let ends = namespace.metadata.deletion_timestamp.is_some();
                if ends || SKIPPED.contains(&name.as_str()) {
                    self.namespaces.remove(&name);
                } else {
                    self.namespaces.insert(name);
                }
            }
            Event::Delete(namespace) => {
                self.namespaces.remove(&namespace.name_any());
            }
        }
    }

    fn take_config_map(&mut self, event: Event<ConfigMap>, list: usize, name: &str, key: &str) {
        let place = |object: &ConfigMap| (object.namespace().unwrap_or_default(), name.to_owned());
        match event {
            Event::Init => self.held.retain(|(_, held), _| held != name),
            Event::InitDone => self.listed[list] = true,
            Event::Apply(object) | Event::InitApply(object) => {
                let text = object.data.as_ref().and_then(|data| data.get(key)).cloned();
                self.held.insert(place(&object), text);
            }
            Event::Delete(object) => {
                self.held.remove(&place(&object));
            }
        }
    }

    /// Namespace, name, key and text of what is not as it should be.
    fn due(&self, state: &State) -> Vec<Due> {
        let mut due = Vec::new();
        let roots: Arc<str> = state.bundle().pem().into();
        let revocations: Option<Arc<str>> = state.revocations().map(|lists| lists.pem().into());
        for namespace in &self.namespaces {
            let mut compare = |name: &'static str, key: &'static str, text: &Arc<str>| {
                let held = self.held.get(&(namespace.clone(), name.to_owned()));
                if held.is_none_or(|held| held.as_deref() != Some(&**text)) {
                    due.push(Due { namespace: namespace.clone(), name, key, text: text.clone() });
                }
            };
            compare(ROOTS_CONFIG_MAP, ROOTS_KEY, &roots);
            // Once there were some, an empty list takes their place.
            let had = self.held.contains_key(&(namespace.clone(), REVOCATIONS_CONFIG_MAP.to_owned()));
            if let Some(text) = revocations.clone().or_else(|| had.then(|| "".into())) {
                compare(REVOCATIONS_CONFIG_MAP, REVOCATIONS_KEY, &text);
            }
        }
        due
    }
}

struct Due {
    namespace: String,
    name: &'static str,
    key: &'static str,
    text: Arc<str>,
}

/// Whether all writes have worked.
async fn write(client: &Client, seen: &mut Seen, writes: Vec<Due>) -> bool {
    let calls = futures::stream::iter(writes.into_iter().map(|due| async {
        let outcome = apply(client, &due).await;
        (due, outcome)
    }));
    let mut good = true;
    for (due, outcome) in calls.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
        let Due { namespace, name, key: _, text } = due;
        match outcome {
            // The watch tells the same, a moment later.
            Ok(()) => drop(seen.held.insert((namespace, name.to_owned()), Some(text.to_string()))),
            // The namespace has gone meanwhile.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                good = false;
                tracing::warn!(namespace, name, %error, "cannot publish the trusted roots");
            }
        }
    }
    good
}

async fn apply(client: &Client, due: &Due) -> Result<(), kube::Error> {
    let Due { namespace, name, key, text } = due;
    let object = ConfigMap {
        metadata: ObjectMeta {
            name: Some((*name).to_owned()),
            labels: Some(BTreeMap::from([("istio.io/config".to_owned(), "true".to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([((*key).to_owned(), text.to_string())])),
        ..ConfigMap::default()
    };
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(name, &params, &Patch::Apply(&object)).await.map(drop)
}
