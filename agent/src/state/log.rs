//! The file with the configuration: a header, and accepted responses one after the other.
//!
//! A record is its length, a checksum and the encoded response; one without resources whose nonce is [`FORGET`] voids all of its type. When
//! more than half of the file is outdated, it is written anew beside itself and moved into place: at any time there is one whole file.
//! What is torn at the end (the process was killed) is cut off; anything else that is not as it was written voids the file, with a warning.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use bytes::{Buf as _, Bytes};
use mesh_proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use prost::Message as _;
use xxhash_rust::xxh3::xxh3_64;

use super::Snapshot;

/// The first line; the number changes with the form of the file.
const FORMAT: &str = "meltemi-agent configuration 1";
/// The nonce of a record that voids its type.
const FORGET: &str = "forget";
/// Length and checksum.
const HEAD: usize = 4 + 8;
/// A file that is shorter is never written anew.
const SMALL: u64 = 1 << 20;

/// The file, open for appending.
pub(super) struct Log {
    path: PathBuf,
    header: String,
    /// `None` when it can't be written: then nothing is kept, and nothing wrong either.
    file: Option<File>,
    most: u64,
    written: u64,
    /// Of the resources that count, by type and name: how many bytes they take.
    live: HashMap<String, HashMap<u64, u64>>,
    too_much: bool,
}

impl Log {
    pub(super) fn open(path: &Path, node: &str, most: u64) -> Self {
        let header = format!("{FORMAT} {node}\n");
        let mut log = Self {
            path: path.to_path_buf(),
            header,
            file: None,
            most,
            written: 0,
            live: HashMap::new(),
            too_much: false,
        };
        let snapshot = match log.load() {
            Ok(snapshot) => snapshot,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Snapshot::default(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the configuration that was kept is of no use: it is ignored");
                Snapshot::default()
            }
        };
        log.rewrite(&snapshot);
        log
    }

    pub(super) fn accepted(&mut self, response: &Bytes) {
        match DeltaDiscoveryResponse::decode(response.clone()) {
            Ok(decoded) => self.add(&decoded, response),
            Err(error) => tracing::warn!(%error, "an accepted response can't be read: it is not kept"),
        }
    }

    pub(super) fn forget(&mut self, type_url: &str) {
        let record = DeltaDiscoveryResponse {
            type_url: type_url.to_owned(),
            nonce: FORGET.to_owned(),
            ..Default::default()
        };
        self.add(&record, &record.encode_to_vec());
    }

    /// All that counts.
    pub(super) fn read(&self) -> Snapshot {
        if self.file.is_none() {
            return Snapshot::default();
        }
        self.load().unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "the configuration that was kept can't be read");
            Snapshot::default()
        })
    }

    fn add(&mut self, decoded: &DeltaDiscoveryResponse, record: &[u8]) {
        self.count(decoded);
        let Some(file) = &mut self.file else { return };
        if let Err(error) = append(file, record) {
            return self.give_up(&error);
        }
        self.written += record.len() as u64 + HEAD as u64;
        let live = self.live.values().flat_map(HashMap::values).sum::<u64>();
        if live > self.most {
            return self.drop_all(live);
        }
        if self.written > SMALL && self.written > 2 * live {
            let snapshot = self.read();
            self.rewrite(&snapshot);
        }
    }

    fn count(&mut self, decoded: &DeltaDiscoveryResponse) {
        let live = self.live.entry(decoded.type_url.clone()).or_default();
        if decoded.nonce == FORGET && decoded.resources.is_empty() {
            live.clear();
        }
        for name in &decoded.removed_resources {
            live.remove(&xxh3_64(name.as_bytes()));
        }
        for resource in &decoded.resources {
            live.insert(xxh3_64(resource.name.as_bytes()), resource.encoded_len() as u64);
        }
    }

    /// A file with part of a configuration would be worse than none.
    fn drop_all(&mut self, live: u64) {
        if !self.too_much {
            tracing::warn!(
                bytes = live,
                most = self.most,
                "the configuration is too large to be kept for a restart"
            );
        }
        self.too_much = true;
        self.file = None;
        self.live.clear();
        let _ = fs::remove_file(&self.path);
    }

    fn give_up(&mut self, error: &io::Error) {
        tracing::warn!(path = %self.path.display(), %error, "the configuration can't be kept for a restart");
        self.file = None;
        let _ = fs::remove_file(&self.path);
    }

    /// Writes a file with `snapshot` and nothing else, and goes on with it.
    fn rewrite(&mut self, snapshot: &Snapshot) {
        self.live.clear();
        match self.write_anew(snapshot) {
            Ok((file, written)) => {
                self.file = Some(file);
                self.written = written;
                for response in snapshot.responses() {
                    self.count(&response);
                }
            }
            Err(error) => self.give_up(&error),
        }
    }

    fn write_anew(&self, snapshot: &Snapshot) -> io::Result<(File, u64)> {
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(self.header.as_bytes())?;
        let mut written = self.header.len();
        for response in snapshot.responses() {
            let record = response.encode_to_vec();
            append(&mut file, &record)?;
            written += record.len() + HEAD;
        }
        fs::rename(&beside, &self.path)?;
        Ok((file, written as u64))
    }

    fn load(&self) -> io::Result<Snapshot> {
        let mut rest = Bytes::from(fs::read(&self.path)?);
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        if !rest.starts_with(self.header.as_bytes()) {
            return Err(broken("it is of another version or another proxy"));
        }
        rest.advance(self.header.len());
        let mut snapshot = Snapshot::default();
        while rest.len() >= HEAD {
            let length = rest.get_u32() as usize;
            let checksum = rest.get_u64();
            if length > rest.len() {
                break;
            }
            let record = rest.split_to(length);
            if xxh3_64(&record) != checksum {
                return Err(broken("a checksum is wrong"));
            }
            let response =
                DeltaDiscoveryResponse::decode(record).map_err(|error| broken(&error.to_string()))?;
            if response.nonce == FORGET && response.resources.is_empty() {
                snapshot.forget(&response.type_url);
            } else {
                snapshot.apply(response);
            }
        }
        Ok(snapshot)
    }
}

fn append(file: &mut File, record: &[u8]) -> io::Result<()> {
    let length = u32::try_from(record.len()).map_err(io::Error::other)?;
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&length.to_be_bytes());
    head[4..].copy_from_slice(&xxh3_64(record).to_be_bytes());
    file.write_all(&head)?;
    file.write_all(record)
}

#[cfg(test)]
mod tests;
