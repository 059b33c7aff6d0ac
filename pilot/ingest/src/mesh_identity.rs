//! What mesh settings say of identity, for a process that needs nothing else of the configuration.
//!
//! In: the ConfigMap with mesh settings, or the file that stands in for it. Out: the settings as they are now. Bad ones leave the last good
//! ones in effect.

use crate::kinds::{IdentitySettings, read_identity};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How often a file is looked at: a mounted ConfigMap takes minutes to get there.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What is said; `None` until that is known.
pub type Identities = watch::Receiver<Option<Arc<IdentitySettings>>>;

/// Follows ConfigMap `name` of `namespace`, as long as anybody listens. Without it, nothing is said.
pub fn follow_config_map(client: Client, namespace: &str, name: &str) -> Identities {
    let (sender, receiver) = watch::channel(None);
    let place = format!("ConfigMap {namespace}/{name}");
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(Api::<ConfigMap>::namespaced(client, namespace), config).default_backoff();
    tokio::spawn(async move {
        let mut events = std::pin::pin!(events);
        let (mut listed, mut told) = (None, false);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sender.closed() => return,
            };
            let text = |object: ConfigMap| object.data.and_then(|mut data| data.remove("mesh"));
            match event {
                Some(Ok(watcher::Event::Init)) => listed = None,
                Some(Ok(watcher::Event::InitApply(object))) => listed = text(object),
                Some(Ok(watcher::Event::InitDone)) => {
                    told = false;
                    take(&sender, &place, listed.take().as_deref());
                }
                Some(Ok(watcher::Event::Apply(object))) => take(&sender, &place, text(object).as_deref()),
                Some(Ok(watcher::Event::Delete(_))) => take(&sender, &place, None),
                Some(Err(error)) if !std::mem::replace(&mut told, true) => {
                    tracing::warn!(%error, place, "mesh settings cannot be watched");
                }
                Some(Err(_)) => {}
                None => return,
            }
        }
    });
    receiver
}

/// Follows a file, as long as anybody listens.
pub fn follow_file(path: PathBuf) -> Identities {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let (place, mut before) = (path.display().to_string(), None);
        loop {
            match tokio::fs::read_to_string(&path).await {
                Ok(text) if before.as_ref() != Some(&text) => {
                    take(&sender, &place, Some(&text));
                    before = Some(text);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, place, "mesh settings cannot be read"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = sender.closed() => return,
            }
        }
    });
    receiver
}

fn take(sender: &watch::Sender<Option<Arc<IdentitySettings>>>, place: &str, text: Option<&str>) {
    let settings = match text.map(read_identity).transpose() {
        Ok(settings) => settings.unwrap_or_default(),
        Err(problem) => {
            tracing::error!(place, %problem, "these mesh settings are not taken for identities");
            return;
        }
    };
    for why in &settings.left_out {
        tracing::warn!(place, why, "mesh settings");
    }
    sender.send_if_modified(|before| {
        let changed = before.as_deref() != Some(&settings);
        if changed {
            *before = Some(Arc::new(settings));
        }
        changed
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";

    #[test]
    fn what_is_said_of_identity_is_read_and_the_rest_is_not_looked_at() {
        let text = serde_json::json!({
            "trustDomain": "example.org",
            "trustDomainAliases": ["old.example.org"],
            "connectTimeout": "what is this?",
            "caCertificates": [
                { "pem": ROOT },
                { "pem": ROOT, "certSigners": ["a.io/b"], "trustDomains": ["old.example.org"] },
                { "pem": ROOT, "trustDomains": ["other.example"] },
                { "spiffeBundleUrl": "https://other.example" },
                { "pem": "none" },
                {},
            ],
        });
        let read = read_identity(&text.to_string()).unwrap();
        assert_eq!(read.trust_domain.as_deref(), Some("example.org"));
        assert_eq!(read.roots.iter().map(|roots| roots.cert_signers.len()).collect::<Vec<_>>(), [0, 1]);
        let paths: Vec<&str> = read.left_out.iter().filter_map(|why| why.split(": ").next()).collect();
        let fields = ["[2].trustDomains", "[3].spiffeBundleUrl", "[4].pem", "[5].pem"];
        assert_eq!(paths, fields.map(|field| format!("caCertificates{field}")));
    }

    #[test]
    fn bad_settings_leave_the_last_good_ones() {
        let (sender, receiver) = watch::channel(None);
        take(&sender, "here", Some("trustDomain: a"));
        take(&sender, "here", Some("trustDomain: [b]"));
        take(&sender, "here", Some("trustDomain: {"));
        let said = || receiver.borrow().as_ref().and_then(|said| said.trust_domain.clone());
        assert_eq!(said().as_deref(), Some("a"));
        // Settings that are gone say nothing any more.
        take(&sender, "here", None);
        assert_eq!(said(), None);
    }
}
