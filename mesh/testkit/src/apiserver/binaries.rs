//! In: the environment and the cache. Out: where the three programs are, or why they are not.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// It alone decides where it builds to: one definition of the cache's layout.
const BUILD_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/build-apiserver.sh");

/// The programs that make an API server.
pub(super) struct Binaries {
    pub(super) apiserver: PathBuf,
    pub(super) etcd: PathBuf,
    pub(super) kubectl: PathBuf,
}

impl Binaries {
    pub(super) fn find() -> Result<Self, String> {
        Ok(Self {
            apiserver: find("kube-apiserver", "MELTEMI_KUBE_APISERVER")?,
            etcd: find("etcd", "MELTEMI_ETCD")?,
            kubectl: find("kubectl", "MELTEMI_KUBECTL")?,
        })
    }
}

fn find(name: &str, variable: &str) -> Result<PathBuf, String> {
    if let Some(named) = env::var_os(variable).filter(|value| !value.is_empty()) {
        let path = PathBuf::from(named);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("{variable} is not a file: {}", path.display()))
        };
    }
    let path = built_directory()?.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let advice = "run `make setup` (it needs Go, once), or set MELTEMI_KUBE_APISERVER, MELTEMI_ETCD and MELTEMI_KUBECTL";
    Err(format!("{name} is not built: {advice}"))
}

fn built_directory() -> Result<PathBuf, String> {
    let failed = |why: String| format!("{BUILD_SCRIPT} --print-dir: {why}");
    let output = Command::new(BUILD_SCRIPT).arg("--print-dir").output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).to_owned())
}
