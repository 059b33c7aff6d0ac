//! Cluster metadata `istio`: the service behind a cluster and the DestinationRule that shaped it. Metrics, access logs
//! and `istioctl` read it. And a mark for the filter that decides about ALPN.

use super::{ALPN_BY_REQUEST, ALPN_METADATA, ALPN_YES};
use crate::envoy::{core, wkt};
use crate::metadata::{config_path, istio, list, structure, text};
use mesh_model::NamespacedName;
use pilot_view::spec::ServiceRef;

/// The metadata of a cluster; `None` when there is nothing to say.
pub(super) fn build_metadata(
    service: Option<&ServiceRef>,
    config: Option<&NamespacedName>,
    alpn_by_request: bool,
) -> Option<core::Metadata> {
    let mut fields = wkt::Struct::default();
    let mut add = |key: &str, value: wkt::Value| fields.fields.insert(key.to_owned(), value);
    if let Some(config) = config {
        add("config", text(config_path("destination-rule", config)));
    }
    if let Some(ServiceRef { host, name, namespace, subset, external }) = service {
        let service = structure([
            ("host", text(host.as_str())),
            ("name", text(&**name)),
            ("namespace", text(&**namespace)),
        ]);
        add("services", list(vec![wkt::Value { kind: Some(wkt::value::Kind::StructValue(service)) }]));
        if !subset.is_empty() {
            add("subset", text(&**subset));
        }
        if *external {
            add("external", wkt::Value { kind: Some(wkt::value::Kind::BoolValue(true)) });
        }
    }
    let mut metadata = match fields.fields.is_empty() {
        true => core::Metadata::default(),
        false => istio(fields),
    };
    if alpn_by_request {
        let mark = structure([(ALPN_BY_REQUEST, text(ALPN_YES))]);
        metadata.filter_metadata.insert(ALPN_METADATA.to_owned(), mark);
    }
    (!metadata.filter_metadata.is_empty()).then_some(metadata)
}
