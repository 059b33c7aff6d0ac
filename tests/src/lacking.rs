//! Whether a test notices that a field is not there: `MELTEMI_WITHOUT='DestinationRule trafficPolicy.tls.sni' cargo test ...` has to fail.
//!
//! In: YAML as a test applies it, of whatever mesh. Out: the same without the field that the environment names, wherever it stands. For people who want to
//! know what a test shows; without the variable nothing happens here.

use crate::objects;
use std::{
    borrow::Cow,
    sync::atomic::{AtomicU64, Ordering},
};

/// The YAML without the field.
pub fn lacking(yaml: &str) -> Cow<'_, str> {
    let Ok(place) = std::env::var("MELTEMI_WITHOUT") else { return Cow::Borrowed(yaml) };
    let (Some((kind, path)), Some(documents)) = (place.split_once(' '), objects::read(yaml)) else {
        return Cow::Borrowed(yaml);
    };
    Cow::Owned(objects::write(&objects::without(&documents, kind, path)) + &different())
}

/// What makes an edit differ from the one before: one that comes to nothing without the field would fail before anybody asks what
/// requests do.
pub(crate) fn different() -> String {
    static EDITS: AtomicU64 = AtomicU64::new(0);
    let edit = EDITS.fetch_add(1, Ordering::Relaxed);
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\n\
         metadata: {{name: edit-{edit}, namespace: istio-system}}\n\
         spec:\n  hosts: [edit-{edit}.test]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n\
         \x20 ports: [{{number: 80, name: http, protocol: HTTP}}]\n  endpoints: [{{address: 127.0.0.1}}]\n"
    )
}
