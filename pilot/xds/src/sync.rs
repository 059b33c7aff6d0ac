//! Who is connected and how far each has got: for `proxy list`, debug endpoints and tests that wait for a push to arrive.
//!
//! In: notes of the streams. Out: a table, and a way to wait for a proxy to acknowledge a sequence number.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::resource::{Protocol, ResourceType, TYPES};

/// State of one type on one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeSync {
    /// Whether the proxy subscribes to it.
    pub subscribed: bool,
    /// Last nonce sent, 0 if none.
    pub nonce_sent: u64,
    /// Last nonce acknowledged, 0 if none.
    pub nonce_acked: u64,
    /// Sequence number of the snapshot that was sent last.
    pub version_sent: u64,
    /// Sequence number of the snapshot that was acknowledged last.
    pub version_acked: u64,
    /// Responses the proxy rejected.
    pub rejects: u64,
}

impl TypeSync {
    /// Whether a response waits for its acknowledgement.
    pub fn in_flight(&self) -> bool {
        self.nonce_sent > self.nonce_acked
    }
}

/// State of one connected proxy.
#[derive(Clone, Debug)]
pub struct ProxyStatus {
    /// Distinguishes the streams of a proxy that reconnects.
    pub stream: u64,
    /// `name.namespace`.
    pub proxy: Arc<str>,
    /// The id in its node message.
    pub node_id: Arc<str>,
    /// Which protocol it speaks.
    pub protocol: Protocol,
    /// When its stream began.
    pub connected_since: SystemTime,
    /// Every publication up to this sequence number is acknowledged in full.
    pub acked_sequence: u64,
    /// By type, indexed by [`ResourceType::index`].
    pub types: [TypeSync; TYPES],
}

/// All connected proxies.
#[derive(Debug, Default)]
pub struct SyncTable {
    next: AtomicU64,
    proxies: Mutex<BTreeMap<u64, Arc<Mutex<ProxyStatus>>>>,
    progress: Notify,
}

impl SyncTable {
    /// A copy of the table, in order of connection.
    pub fn list(&self) -> Vec<ProxyStatus> {
        let proxies: Vec<_> = lock(&self.proxies).values().cloned().collect();
        proxies.iter().map(|proxy| lock(proxy).clone()).collect()
    }

    /// Waits until a stream of the proxy has acknowledged every publication up to `sequence`.
    pub async fn wait_for(&self, proxy: &str, sequence: u64) {
        self.wait_until(|status| &*status.proxy == proxy && status.acked_sequence >= sequence).await;
    }

    /// Waits until some connected proxy meets a condition on the sequence it has acknowledged or on its connection.
    pub async fn wait_until(&self, condition: impl Fn(&ProxyStatus) -> bool) {
        self.wait_until_all(|proxies| proxies.iter().any(&condition)).await;
    }

    /// Waits until the table as a whole meets a condition. Looks again at each connect, disconnect and completed acknowledgement.
    pub async fn wait_until_all(&self, condition: impl Fn(&[ProxyStatus]) -> bool) {
        loop {
            let mut progress = std::pin::pin!(self.progress.notified());
            // Registered before looking, so that no progress is missed in between.
            progress.as_mut().enable();
            if condition(&self.list()) {
                return;
            }
            progress.await;
        }
    }

    pub(crate) fn connect(
        self: &Arc<Self>,
        proxy: Arc<str>,
        node_id: Arc<str>,
        protocol: Protocol,
    ) -> SyncEntry {
        let stream = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let status = ProxyStatus {
            stream,
            proxy,
            node_id,
            protocol,
            connected_since: SystemTime::now(),
            acked_sequence: 0,
            types: Default::default(),
        };
        let status = Arc::new(Mutex::new(status));
        lock(&self.proxies).insert(stream, status.clone());
        self.progress.notify_waiters();
        SyncEntry { table: self.clone(), stream, status }
    }
}

/// A stream's line in the table; dropped, it goes.
#[derive(Debug)]
pub(crate) struct SyncEntry {
    table: Arc<SyncTable>,
    stream: u64,
    status: Arc<Mutex<ProxyStatus>>,
}

impl SyncEntry {
    pub(crate) fn sent(&self, kind: ResourceType, nonce: u64, version: u64) {
        let mut status = lock(&self.status);
        let of_type = &mut status.types[kind.index()];
        of_type.subscribed = true;
        of_type.nonce_sent = nonce;
        of_type.version_sent = version;
    }

    pub(crate) fn received(
        &self,
        kind: ResourceType,
        (subscribed, _, acked): (bool, u64, u64),
        rejected: bool,
    ) {
        let mut status = lock(&self.status);
        let of_type = &mut status.types[kind.index()];
        of_type.subscribed = subscribed;
        if acked > of_type.nonce_acked {
            of_type.nonce_acked = acked;
            of_type.version_acked = of_type.version_sent;
        }
        of_type.rejects += u64::from(rejected);
    }

    /// Notes that all of a publication is acknowledged. Says whether that is news.
    pub(crate) fn reached(&self, sequence: u64) -> bool {
        {
            let mut status = lock(&self.status);
            if status.acked_sequence >= sequence {
                return false;
            }
            status.acked_sequence = sequence;
        }
        self.table.progress.notify_waiters();
        true
    }
}

impl Drop for SyncEntry {
    fn drop(&mut self) {
        lock(&self.table.proxies).remove(&self.stream);
        self.table.progress.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
