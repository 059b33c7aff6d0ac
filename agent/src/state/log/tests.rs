//! What is kept is what was accepted, whatever happens to the file.

use mesh_proto::{envoy::service::discovery::v3::Resource, google::protobuf::Any};

use super::*;

fn response(type_url: &str, resources: &[(&str, usize)], removed: &[&str]) -> Bytes {
    let resource = |(name, size): &(&str, usize)| Resource {
        name: (*name).to_owned(),
        version: size.to_string(),
        resource: Some(Any { type_url: type_url.to_owned(), value: vec![7; *size].into() }),
        ..Default::default()
    };
    let response = DeltaDiscoveryResponse {
        type_url: type_url.to_owned(),
        nonce: "1".to_owned(),
        resources: resources.iter().map(resource).collect(),
        removed_resources: removed.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    response.encode_to_vec().into()
}

fn names(snapshot: &Snapshot, type_url: &str) -> Vec<String> {
    snapshot.resources(type_url).map(|resource| format!("{}={}", resource.name, resource.version)).collect()
}

#[test]
fn a_restart_finds_what_was_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("configuration");
    let mut log = Log::open(&path, "node", u64::MAX);
    log.accepted(&response("cluster", &[("a", 1), ("b", 2)], &[]));
    log.accepted(&response("route", &[("r", 1)], &[]));
    log.accepted(&response("cluster", &[("b", 3), ("c", 4)], &["a"]));
    log.forget("route");
    log.accepted(&response("route", &[("s", 1)], &[]));
    drop(log);
    let log = Log::open(&path, "node", u64::MAX);
    assert_eq!(names(&log.read(), "cluster"), ["b=3", "c=4"]);
    assert_eq!(names(&log.read(), "route"), ["s=1"]);
    drop(log);
    assert!(!Log::open(&path, "other", u64::MAX).read().has("cluster"), "of another proxy");
}

#[test]
fn what_is_torn_is_cut_off_and_what_is_broken_is_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("configuration");
    let mut log = Log::open(&path, "node", u64::MAX);
    log.accepted(&response("cluster", &[("a", 10)], &[]));
    let whole = fs::read(&path).unwrap();
    log.accepted(&response("cluster", &[("b", 10)], &[]));
    drop(log);
    let longer = fs::read(&path).unwrap();
    // Killed at any byte of the second record: the first is there.
    for end in whole.len()..longer.len() {
        fs::write(&path, &longer[..end]).unwrap();
        let mut log = Log::open(&path, "node", u64::MAX);
        assert_eq!(names(&log.read(), "cluster"), ["a=10"], "{end}");
        log.accepted(&response("cluster", &[("c", 1)], &[]));
        assert_eq!(names(&log.read(), "cluster"), ["a=10", "c=1"], "{end}");
    }
    // A changed byte anywhere in the first record but in its length: nothing is believed.
    let header = FORMAT.len() + " node\n".len();
    for at in (0..header).chain(header + 4..whole.len()) {
        let mut broken = longer.clone();
        broken[at] ^= 1;
        fs::write(&path, &broken).unwrap();
        assert_eq!(names(&Log::open(&path, "node", u64::MAX).read(), "cluster"), [""; 0], "{at}");
    }
}

#[test]
fn the_file_does_not_grow_with_edits_and_too_much_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("configuration");
    let mut log = Log::open(&path, "node", 4 << 20);
    for size in 0..200 {
        log.accepted(&response("cluster", &[("a", 100_000 + size)], &[]));
    }
    assert!(fs::metadata(&path).unwrap().len() < 2 << 20);
    assert_eq!(names(&log.read(), "cluster"), ["a=100199"]);
    log.accepted(&response("cluster", &[("b", 5 << 20)], &[]));
    assert!(!path.exists());
    assert!(!log.read().has("cluster"));
}
