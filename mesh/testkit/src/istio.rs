//! In: the file that tools/fetch-istio-crds.sh fetched. Out: where Istio's own CRDs are.

use std::{path::PathBuf, process::Command};

use crate::available;

/// It alone decides where they are.
const FETCH_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/fetch-istio-crds.sh");

/// Istio's own CRDs, all in one file. `None` means: skip this test (the reason was printed).
///
/// # Panics
/// When they are not there but `MELTEMI_REQUIRE_ALL` is set.
pub fn crds() -> Option<PathBuf> {
    available::or_skip("Istio's CRDs", find())
}

fn find() -> Result<PathBuf, String> {
    let output = Command::new(FETCH_SCRIPT).arg("--print-file").output();
    let output = output.map_err(|error| format!("{FETCH_SCRIPT} --print-file: {error}"))?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if path.is_file() {
        return Ok(path);
    }
    Err("they were not fetched: run `make setup` (it needs Go, once), or set MELTEMI_ISTIO_CRDS".to_owned())
}
