//! SHA-256 of files, streamed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;

/// The SHA-256 of a file, in lower-case hex.
pub fn sha256_of_file(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Fails unless the file has this checksum.
pub(crate) fn verify(path: &Path, expected: &str) -> Result<(), Error> {
    let found = sha256_of_file(path)?;
    if found == expected {
        return Ok(());
    }
    Err(Error::WrongChecksum { path: path.to_path_buf(), expected: expected.to_owned(), found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_of_file(&path).unwrap(), abc);
        verify(&path, abc).unwrap();
        std::fs::write(&path, b"abd").unwrap();
        assert!(matches!(verify(&path, abc), Err(Error::WrongChecksum { .. })));
    }
}
