//! Equal specs give equal bytes and versions: in every memo, on every replica.

use super::given::{cluster, reviews};
use mesh_model::{Kind, NamespacedName, ObjectRef};
use pilot_envoy::{Memo, origin_key};
use pilot_view::spec::ClusterSpec;
use std::sync::Arc;

fn configured() -> ClusterSpec {
    ClusterSpec {
        config: Some(NamespacedName::new("shop", "reviews")),
        origins: [ObjectRef::new(Kind::DestinationRule, "shop", "reviews")].into(),
        ..cluster()
    }
}

#[test]
fn replicas_agree() {
    let (one, two) = (Memo::new(), Memo::new());
    assert_eq!(one.get(&configured()), two.get(&configured()));
    assert_eq!(one.get(&reviews()), two.get(&reviews()));
}

#[test]
fn versions_are_of_the_content() {
    let memo = Memo::new();
    let plain = memo.get(&cluster());
    let blamed = memo.get(&ClusterSpec { origins: configured().origins, ..cluster() });
    assert_eq!(plain.version(), blamed.version(), "whose object it is does not reach the proxy");
    assert_ne!(plain.version(), memo.get(&configured()).version());
    assert_eq!(blamed.origins()[0], origin_key(&configured().origins[0]));
}

#[test]
fn a_shared_spec_is_the_spec() {
    let memo = Memo::new();
    assert!(Arc::ptr_eq(&memo.get(&reviews()), &memo.get(&Arc::new(reviews()))));
}
