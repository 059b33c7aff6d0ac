//! One resource as every stream sends it: encoded once, named, versioned by its content.
//!
//! In: a name and the encoded message. Out: one buffer that serves both protocols without copying. The buffer is
//! field 2 of a `DeltaDiscoveryResponse`, and the fields inside are written so that the `Any` comes last:
//!
//! ```text
//! 12 len ( name(3) version(1) aliases(4)* resource(2): 12 len Any )
//! \_________________ delta entry ________________________________/
//!                                         \____ SotW entry _____/
//! ```
//!
//! Because `DiscoveryResponse.resources` is also field 2, the suffix that starts at `resource` is, byte for byte, the entry
//! of the state-of-the-world protocol. This file does not know what the message means.

use std::fmt::{self, Write as _};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::encoding::{encode_str, varint_len_at};
use crate::wire::NameVersion;

/// A slot of configuration on a stream. All but one are an xDS type of their own; `InlineRoute` shares its type URL with
/// `Route` and is what clients of the state-of-the-world protocol get for it, because VHDS exists only in delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// `envoy.config.cluster.v3.Cluster`
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`, named as its cluster.
    Endpoints,
    /// `envoy.config.listener.v3.Listener`
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration` whose virtual hosts come over VHDS.
    Route,
    /// `envoy.config.route.v3.VirtualHost`, named `<route configuration>/<host>`.
    VirtualHost,
    /// `envoy.config.route.v3.RouteConfiguration` with its virtual hosts inside.
    InlineRoute,
    /// `istio.networking.nds.v1.NameTable`: for the DNS proxy beside an Envoy.
    NameTable,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`: what it says is for whoever asks for it, and for nobody's eyes.
    Secret,
}

/// Number of slots.
pub const TYPES: usize = ResourceType::ALL.len();

/// Which of the two xDS protocols a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Incremental: `DeltaAggregatedResources`.
    Delta,
    /// State of the world: `StreamAggregatedResources`.
    Sotw,
}

impl ResourceType {
    /// Every slot, in the order in which changes are sent.
    pub const ALL: [Self; 8] = [
        Self::Cluster,
        Self::Endpoints,
        Self::Listener,
        Self::Route,
        Self::VirtualHost,
        Self::InlineRoute,
        Self::NameTable,
        Self::Secret,
    ];

    /// The type URL on the wire.
    pub const fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoints => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route | Self::InlineRoute => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Self::VirtualHost => "type.googleapis.com/envoy.config.route.v3.VirtualHost",
            Self::NameTable => "type.googleapis.com/istio.networking.nds.v1.NameTable",
            Self::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        }
    }

    /// The slot that a client of this protocol means by a type URL; `None` for a type that is not served.
    pub fn from_url(url: &str, protocol: Protocol) -> Option<Self> {
        let kind = Self::ALL.into_iter().find(|kind| kind.type_url() == url)?;
        match (kind, protocol) {
            (Self::Route, Protocol::Sotw) => Some(Self::InlineRoute),
            (Self::VirtualHost, Protocol::Sotw) => None,
            _ => Some(kind),
        }
    }

    /// Short label for metrics and status: `cds`, `eds` and so on, as Istio writes them.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cluster => "cds",
            Self::Endpoints => "eds",
            Self::Listener => "lds",
            Self::Route | Self::InlineRoute => "rds",
            Self::VirtualHost => "vhds",
            Self::NameTable => "nds",
            Self::Secret => "sds",
        }
    }

    /// Position in arrays of length [`TYPES`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether a first request without names asks for everything.
    pub(crate) const fn implicit_wildcard(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener | Self::VirtualHost | Self::NameTable)
    }

    /// Whether a name that is not in the maps may stand for something all the same.
    pub(crate) const fn on_demand(self) -> bool {
        matches!(self, Self::Cluster | Self::VirtualHost)
    }

    /// Whether a state-of-the-world response must list all resources: what it leaves out is deleted.
    pub(crate) const fn full_state(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

/// A number for a version of a name, given as clients state it (an encoded [`NameVersion`]), equal within one process. Those of a list may
/// be summed up in any order: equal sums are equal lists. Keyed by a secret, so that a client cannot make up versions that pass for others.
pub(crate) fn fingerprint(entry: &[u8]) -> u128 {
    static SECRET: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0u8));
    xxh3_128_with_seed(entry, *SECRET)
}

/// A named, versioned, encoded resource. Shared by every layer, batch and stream that holds it.
#[derive(PartialEq, Eq)]
pub struct Resource {
    label: Label,
    /// [`fingerprint`] of name and version.
    fingerprint: u128,
    entry: Bytes,
    /// Where the state-of-the-world entry starts inside `entry`.
    any_at: usize,
}

/// Without its content, which may be a secret, and is long otherwise.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("label", &self.label).finish_non_exhaustive()
    }
}

/// What a resource is, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    kind: ResourceType,
    name: Arc<str>,
    version: Arc<str>,
    origins: Arc<[Arc<str>]>,
}

impl Label {
    fn fingerprint(&self) -> u128 {
        fingerprint(&NameVersion::encoded(&self.name, &self.version))
    }
}

impl Resource {
    /// Encodes a resource: `message` is the encoded Envoy message of the type that `kind` names. `aliases` are other
    /// names under which clients may have asked for it; `origins` are opaque keys of the user objects it was built from.
    ///
    /// The version is a 128-bit hash of content and aliases, equal on every machine.
    pub fn new(
        kind: ResourceType,
        name: impl Into<Arc<str>>,
        message: &[u8],
        aliases: &[Arc<str>],
        origins: Arc<[Arc<str>]>,
    ) -> Arc<Self> {
        let mut any = BytesMut::with_capacity(message.len() + kind.type_url().len() + 8);
        encode_str(1, kind.type_url(), &mut any);
        encode_key(2, WireType::LengthDelimited, &mut any);
        encode_varint(message.len() as u64, &mut any);
        any.put_slice(message);
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(&any);
        for alias in aliases {
            hash.update(alias.as_bytes());
        }
        let mut version = String::with_capacity(32);
        // Writing to a String cannot fail.
        let _ = write!(version, "{:032x}", hash.digest128());
        let label = Label { kind, name: name.into(), version: version.into(), origins };
        Arc::new(Self::assemble(label, aliases, &any))
    }

    /// States that there is no resource of this name, as an entry without content. On-demand virtual hosts need this form: Envoy ends
    /// the wait of a request only for names among the resources, not among the removals, and lets a resource be empty only if it has an
    /// alias: the name itself.
    pub(crate) fn absent(kind: ResourceType, name: Arc<str>) -> Arc<Self> {
        let label = Label { kind, name, version: Arc::from(""), origins: Arc::new([]) };
        let mut fields = BytesMut::with_capacity(2 * label.name.len() + 8);
        encode_str(3, &label.name, &mut fields);
        encode_str(4, &label.name, &mut fields);
        let mut entry = BytesMut::with_capacity(fields.len() + 8);
        encode_key(2, WireType::LengthDelimited, &mut entry);
        encode_varint(fields.len() as u64, &mut entry);
        entry.put_slice(&fields);
        let any_at = entry.len();
        let fingerprint = label.fingerprint();
        Arc::new(Self { label, fingerprint, entry: entry.freeze(), any_at })
    }

    /// The same resource, answering to `aliases`: for a client that asked for it by those names.
    pub(crate) fn with_aliases(&self, aliases: &[Arc<str>]) -> Arc<Self> {
        let Self { label, fingerprint: _, entry: _, any_at: _ } = self;
        Arc::new(Self::assemble(label.clone(), aliases, &self.any()))
    }

    /// The encoded `Any`.
    fn any(&self) -> Bytes {
        let field = self.entry.slice(self.any_at..);
        field.slice(1 + varint_len_at(&field[1..])..)
    }

    fn assemble(label: Label, aliases: &[Arc<str>], any: &[u8]) -> Self {
        let Label { kind: _, name, version, origins: _ } = &label;
        let mut prefix = BytesMut::with_capacity(name.len() + version.len() + 16);
        encode_str(3, name, &mut prefix);
        encode_str(1, version, &mut prefix);
        for alias in aliases {
            encode_str(4, alias, &mut prefix);
        }
        let any_field = 1 + encoded_len_varint(any.len() as u64) + any.len();
        let inner = prefix.len() + any_field;
        let mut entry = BytesMut::with_capacity(1 + encoded_len_varint(inner as u64) + inner);
        encode_key(2, WireType::LengthDelimited, &mut entry);
        encode_varint(inner as u64, &mut entry);
        entry.put_slice(&prefix);
        let any_at = entry.len();
        encode_key(2, WireType::LengthDelimited, &mut entry);
        encode_varint(any.len() as u64, &mut entry);
        entry.put_slice(any);
        let fingerprint = label.fingerprint();
        Self { label, fingerprint, entry: entry.freeze(), any_at }
    }

    /// The slot it belongs to.
    pub fn kind(&self) -> ResourceType {
        self.label.kind
    }

    /// Its canonical name.
    pub fn name(&self) -> &Arc<str> {
        &self.label.name
    }

    /// Hash of its content, in hex.
    pub fn version(&self) -> &Arc<str> {
        &self.label.version
    }

    /// [`fingerprint`] of its name and version.
    pub(crate) fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// Keys of the user objects it was built from.
    pub fn origins(&self) -> &Arc<[Arc<str>]> {
        &self.label.origins
    }

    /// The encoded Envoy message, for dumps.
    pub fn message(&self) -> Bytes {
        if self.any_at == self.entry.len() {
            return Bytes::new();
        }
        let any = self.any();
        // The Any is type_url(1) then value(2), both written by `new`.
        let url = 1 + varint_len_at(&any[1..]) + self.label.kind.type_url().len();
        let value = any.slice(url..);
        value.slice(1 + varint_len_at(&value[1..])..)
    }

    /// The entry as this protocol writes it into a response.
    pub(crate) fn entry(&self, protocol: Protocol) -> &[u8] {
        match protocol {
            Protocol::Delta => &self.entry,
            Protocol::Sotw => &self.entry[self.any_at..],
        }
    }

    /// Length of [`Self::entry`].
    pub(crate) fn entry_len(&self, protocol: Protocol) -> usize {
        match protocol {
            Protocol::Delta => self.entry.len(),
            Protocol::Sotw => self.entry.len() - self.any_at,
        }
    }
}
