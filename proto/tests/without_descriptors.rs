//! What a build says on a machine that was not set up.

#![allow(clippy::unwrap_used)] // Only tests are in here.

#[path = "../build/set.rs"]
mod set;

use std::path::Path;

#[test]
fn names_the_one_command_to_run() {
    let error = set::read(Path::new("/nowhere/envoy.fds")).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "the descriptors of Envoy's API are not there: run `cargo xtask setup` (/nowhere/envoy.fds: No such file or directory (os error 2))"
    );
    let none = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let error = format!("{:#}", set::read(&none).unwrap_err());
    let expected =
        format!("{} is not a descriptor set: delete it and run `cargo xtask setup`", none.display());
    assert!(error.starts_with(&expected), "{error}");
}
