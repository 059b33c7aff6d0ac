//! Certificates that are no longer good, though they have not expired: lists come into effect while Envoys run.

use super::{By, CLIENT, REVOKED, SERVER, Stage, WITHIN, run};
use crate::certificates::{Authority, Validity};
use anyhow::{Result, ensure};
use mesh_pki::TrustBundle;
use mesh_testkit::eventually;
use std::{fs, os::unix::fs::symlink, path::Path};

#[tokio::test(flavor = "multi_thread")]
async fn revoked_certificates_are_refused_and_others_go_on() {
    run(revoked()).await;
}

/// A ConfigMap as a kubelet mounts it: each version in a directory of its own, behind a link that is turned.
fn mount(directory: &Path, version: &str, lists: &str) -> Result<()> {
    let (file, data) = (directory.join("ca-crl.pem"), directory.join("..data"));
    fs::create_dir(directory.join(version))?;
    fs::write(directory.join(version).join("ca-crl.pem"), lists)?;
    symlink(version, directory.join("..new"))?;
    fs::rename(directory.join("..new"), data)?;
    if !file.exists() {
        symlink("..data/ca-crl.pem", file)?;
    }
    Ok(())
}

async fn revoked() -> Result<()> {
    let stage = Stage::set().await?;
    stage.take("STRICT").await?;
    let directory = stage.directory.path().join(REVOKED);
    let mesh = &stage.authority;
    let (good, bad) = (mesh.issue(CLIENT, Validity::Now)?, mesh.issue(CLIENT, Validity::Now)?);
    let first = mesh.identity(SERVER)?;
    stage.server.identity.send_replace(Some(first.clone()));
    // Whether the two clients get in, and whether the sidecar of a third talks to the server.
    let see = async |what: &str, expected: [bool; 3]| {
        eventually(WITHIN, async || {
            let bad = stage.openssl(Some(&bad)).await?;
            let got = [stage.openssl(Some(&good)).await?, bad, stage.bytes(9000, By::Mesh).await];
            ensure!(got == expected, "{what}: {got:?}");
            Ok(())
        })
        .await
    };
    see("no lists", [true, true, true]).await?;
    mount(&directory, "..1", &mesh.revoke(&[&bad.certificate])?)?;
    see("a client is revoked", [true, false, true]).await?;
    mount(&directory, "..2", &mesh.revoke(&[&bad.certificate, first.credential.chain_pem()])?)?;
    see("the server is, too", [true, false, false]).await?;
    stage.server.identity.send_replace(Some(mesh.identity(SERVER)?));
    see("the server has another certificate", [true, false, true]).await?;
    // An authority that is trusted besides and has no list makes neither more nor less of the mesh's own.
    let other = TrustBundle::from_pem(&Authority::new("another mesh")?.root())?;
    let mut wider = mesh.identity(SERVER)?;
    wider.trusted = wider.trusted.with(&other);
    stage.server.identity.send_replace(Some(wider));
    see("a root without a list", [true, false, true]).await?;
    // What is broken, or has gone, leaves what was said before.
    mount(&directory, "..3", "-----BEGIN X509 CRL-----\n")?;
    see("a broken list", [true, false, true]).await?;
    fs::remove_file(directory.join("ca-crl.pem"))?;
    see("a list that has gone", [true, false, true]).await?;
    mount(&directory, "..4", "")?;
    see("nobody is revoked any more", [true, true, true]).await
}
