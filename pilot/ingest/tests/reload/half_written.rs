//! Files that are caught before they are whole: what they said last stays.

use super::*;
use pilot_ingest::Report;
use std::{io::Write as _, sync::Arc};
use tokio::sync::watch;

/// Whatever a file looks like that was closed in the midst: what it defined last stays, and the report says what is wrong with it.
#[tokio::test]
async fn what_cannot_be_told_apart_from_half_a_file_takes_nothing_away() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a.yaml", &["a", "b"]);
    let mut updates = open(root).await;
    let mut reports = updates.reports();
    next(&mut updates).await;
    for (half, path) in [
        ("apiVersion: v1\n", ""),
        ("apiVersion: v1\nkind: Serv", "metadata.name"),
        ("apiVersion: v1\nkind: Service\nmetadata:", "metadata.name"),
        ("apiVersion: v\nkind: Service\nmetadata: {name: a}", "apiVersion"),
        ("kind: Service\nmetadata: {name: a}", "apiVersion"),
        ("apiVersion: v1\nkind: Servic\nmetadata: {name: a}", "kind"),
    ] {
        fs::write(root.join("a.yaml"), half).unwrap();
        let says = |report: &Report| report.entries.iter().any(|entry| entry.problems[0].path == path);
        let report = reported(&mut reports, &mut updates, says).await;
        assert_eq!(report.entries[0].source.to_string(), "a.yaml:1", "{half:?}");
    }
    // A kind that is not built never was there, so it is no reason to keep what went.
    let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n";
    fs::write(root.join("a.yaml"), SERVICE.replace("NAME", "a") + policy).unwrap();
    until(&mut updates, &["a"]).await;
}

/// The first report that `says` so. Until then the mesh stays as it is.
async fn reported(
    reports: &mut watch::Receiver<Arc<Report>>,
    updates: &mut Updates,
    mut says: impl FnMut(&Report) -> bool,
) -> Arc<Report> {
    tokio::select! {
        report = reports.wait_for(|report| says(report)) => report.unwrap().clone(),
        update = updates.next() => panic!("{update:?}"),
    }
}

/// Waits for a file beside: what was written before that one has been looked at then. None of `stays` may go meanwhile.
async fn until_beside(updates: &mut Updates, root: &Path, beside: &str, stays: &[&str]) {
    write(root, &format!("{beside}.yaml"), &[beside]);
    loop {
        let names = services(&next(updates).await);
        assert!(stays.iter().all(|name| names.iter().any(|there| there == name)), "{names:?}");
        if names.iter().any(|name| name == beside) {
            return;
        }
    }
}

#[tokio::test]
async fn a_file_that_is_being_written_is_read_when_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a.yaml", &["a", "b"]);
    let mut updates = open(root).await;
    next(&mut updates).await;
    // As `kubectl get -o yaml > a.yaml` does it: emptied, then nothing for a while.
    let mut file = fs::File::create(root.join("a.yaml")).unwrap();
    until_beside(&mut updates, root, "c", &["a", "b"]).await;
    // Up to the end of a document: nothing tells from the text that more is to come.
    file.write_all(SERVICE.replace("NAME", "a").as_bytes()).unwrap();
    until_beside(&mut updates, root, "d", &["a", "b"]).await;
    file.write_all(format!("---\n{}", SERVICE.replace("NAME", "e")).as_bytes()).unwrap();
    until_beside(&mut updates, root, "f", &["a", "b"]).await;
    drop(file);
    until(&mut updates, &["a", "c", "d", "e", "f"]).await;
}

/// Through a link, too: the system names what is written, which is hidden here.
#[tokio::test]
async fn what_a_link_leads_to_is_read_when_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, ".hidden.yaml", &["a", "b"]);
    std::os::unix::fs::symlink(".hidden.yaml", root.join("a.yaml")).unwrap();
    let mut updates = open(root).await;
    next(&mut updates).await;
    let file = fs::File::create(root.join(".hidden.yaml")).unwrap();
    until_beside(&mut updates, root, "c", &["a", "b"]).await;
    write(root, ".hidden.yaml", &["d"]);
    drop(file);
    until(&mut updates, &["c", "d"]).await;
}

#[tokio::test]
async fn a_file_that_was_emptied_keeps_what_it_said_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a.yaml", &["a", "b"]);
    let mut updates = open(root).await;
    let mut reports = updates.reports();
    next(&mut updates).await;
    fs::write(root.join("a.yaml"), "").unwrap();
    let report = reported(&mut reports, &mut updates, |report| !report.entries.is_empty()).await;
    assert_eq!(report.entries[0].source.to_string(), "a.yaml:1");
    assert!(report.entries[0].problems[0].message.starts_with("the file is empty now"), "{report:?}");
    until_beside(&mut updates, root, "c", &["a", "b"]).await;
    write(root, "a.yaml", &["d"]);
    until(&mut updates, &["c", "d"]).await;
    reports.wait_for(|report| report.entries.is_empty()).await.unwrap();
    // Whoever puts an empty file in its place means it.
    fs::write(root.join(".empty"), "").unwrap();
    fs::rename(root.join(".empty"), root.join("a.yaml")).unwrap();
    until(&mut updates, &["c"]).await;
}

#[tokio::test]
async fn mesh_settings_that_were_emptied_stay_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let (root, file) = (directory.path().join("objects"), directory.path().join("mesh.yaml"));
    fs::create_dir(&root).unwrap();
    write(&root, "a.yaml", &["a"]);
    fs::write(&file, "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n").unwrap();
    let settings = Settings { mesh_config: Some(file.clone()), ..Settings::default() };
    let mut updates = start(Source::Files(root.clone()), settings).await.unwrap();
    let mut reports = updates.reports();
    next(&mut updates).await;
    fs::write(&file, "").unwrap();
    let report = reported(&mut reports, &mut updates, |report| !report.entries.is_empty()).await;
    assert!(report.entries[0].problems[0].message.starts_with("the file is empty now"), "{report:?}");
    fs::write(&file, "outboundTrafficPolicy: {mode: ALLOW_ANY}\n").unwrap();
    let update = next(&mut updates).await;
    assert_eq!(update.mesh.config().outbound_policy, OutboundPolicy::AllowAny);
}
