//! A directory that changes, through the running source.

#![allow(clippy::unwrap_used, clippy::expect_used)] // What tests share may unwrap as tests may.

mod half_written;

use mesh_model::{MeshConfig, OutboundPolicy, Severity};
use pilot_ingest::{Settings, Source, Update, Updates, load, start};
use std::{fs, path::Path, time::Duration};

const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: NAME}\nspec: {ports: [{name: http, port: 80}]}\n";

fn write(directory: &Path, file: &str, names: &[&str]) {
    let text: Vec<String> = names.iter().map(|name| SERVICE.replace("NAME", name)).collect();
    fs::write(directory.join(file), text.join("---\n")).unwrap();
}

async fn next(updates: &mut Updates) -> Update {
    tokio::time::timeout(Duration::from_secs(30), updates.next()).await.expect("an update").expect("a source")
}

/// The names of the services that there are.
fn services(update: &Update) -> Vec<String> {
    update.mesh.services().map(|service| service.metadata.object.name.name.to_string()).collect()
}

/// Waits until the mesh has exactly these services: a burst of changes may come in one update or in several.
async fn until(updates: &mut Updates, expected: &[&str]) {
    loop {
        if services(&next(updates).await) == expected {
            return;
        }
    }
}

async fn open(directory: &Path) -> Updates {
    start(Source::Files(directory.to_owned()), Settings::default()).await.unwrap()
}

#[tokio::test]
async fn files_come_change_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a.yaml", &["a"]);
    write(root, ".hidden.yaml", &["hidden"]);
    write(root, "notes.txt", &["notes"]);
    let mut updates = open(root).await;
    let first = next(&mut updates).await;
    assert_eq!((first.sequence, first.mesh.services().count()), (1, 1));

    write(root, "a.yaml", &["a", "b"]);
    until(&mut updates, &["a", "b"]).await;
    fs::create_dir_all(root.join("deep/er")).unwrap();
    write(&root.join("deep/er"), "c.yml", &["c"]);
    until(&mut updates, &["a", "b", "c"]).await;
    // As editors do it: a new file in place of the old.
    write(root, ".a.yaml.swp", &["d"]);
    fs::rename(root.join(".a.yaml.swp"), root.join("a.yaml")).unwrap();
    until(&mut updates, &["c", "d"]).await;
    fs::remove_dir_all(root.join("deep")).unwrap();
    until(&mut updates, &["d"]).await;
    fs::remove_file(root.join("a.yaml")).unwrap();
    until(&mut updates, &[]).await;
}

#[tokio::test]
async fn a_mounted_config_map_is_swapped() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for (version, name) in [("..v1", "a"), ("..v2", "b")] {
        fs::create_dir(root.join(version)).unwrap();
        write(&root.join(version), "mesh.yaml", &[name]);
    }
    std::os::unix::fs::symlink("..v1", root.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/mesh.yaml", root.join("mesh.yaml")).unwrap();
    let mut updates = open(root).await;
    until(&mut updates, &["a"]).await;
    std::os::unix::fs::symlink("..v2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    until(&mut updates, &["b"]).await;
}

#[tokio::test]
async fn a_file_with_mesh_settings_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (root, file) = (directory.path().join("objects"), directory.path().join("mesh.yaml"));
    fs::create_dir(&root).unwrap();
    write(&root, "a.yaml", &["a"]);
    let mode = |mode: &str| format!("outboundTrafficPolicy: {{mode: {mode}}}\n");
    fs::write(&file, mode("REGISTRY_ONLY") + "accessLogFile: /dev/stdout\n").unwrap();
    let settings = || Settings { mesh_config: Some(file.clone()), ..Settings::default() };
    let mut updates = start(Source::Files(root.clone()), settings()).await.unwrap();
    let mut reports = updates.reports();
    let first = next(&mut updates).await;
    assert_eq!(first.mesh.config().outbound_policy, OutboundPolicy::RegistryOnly);

    // What it no longer says is as it is where nothing is said.
    fs::write(&file, mode("ALLOW_ANY")).unwrap();
    let update = next(&mut updates).await;
    let expected = MeshConfig { outbound_policy: OutboundPolicy::AllowAny, ..MeshConfig::default() };
    assert_eq!(**update.mesh.config(), expected);

    // A slip leaves the last good settings, and is told at its place.
    fs::write(&file, mode("SOMETIMES")).unwrap();
    let report = tokio::select! {
        report = reports.wait_for(|report| !report.entries.is_empty()) => report.unwrap().clone(),
        update = updates.next() => panic!("{update:?}"),
    };
    assert_eq!(report.entries[0].source.to_string(), format!("{}:1", file.display()));
    assert_eq!(report.entries[0].problems[0].path, "outboundTrafficPolicy.mode");
    fs::write(&file, mode("REGISTRY_ONLY")).unwrap();
    let update = next(&mut updates).await;
    assert_eq!(update.mesh.config().outbound_policy, OutboundPolicy::RegistryOnly);

    // At the start there is no last good one.
    fs::write(&file, mode("SOMETIMES")).unwrap();
    let error = start(Source::Files(root), settings()).await.unwrap_err().to_string();
    assert!(error.contains("mesh.yaml") && error.contains("REGISTRY_ONLY"), "{error}");
}

#[tokio::test]
async fn reports_follow() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a.yaml", &["a"]);
    let mut updates = open(root).await;
    let mut reports = updates.reports();
    next(&mut updates).await;
    fs::write(root.join("a.yaml"), "kind: [").unwrap();
    // The mesh stays as it is, so there is no update; the problem shows all the same.
    let report = tokio::select! {
        report = reports.wait_for(|report| !report.entries.is_empty()) => report.unwrap().clone(),
        update = updates.next() => panic!("{update:?}"),
    };
    assert_eq!(report.entries[0].source.to_string(), "a.yaml:1");
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_told() {
    let error = start(Source::Files("/nowhere/at/all".into()), Settings::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nowhere/at/all: No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_link_that_leads_back_is_told_once_and_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir_all(root.join("deep/er")).unwrap();
    for (to, link) in [(".", "loop"), ("../..", "deep/er/up")] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    write(root, "a.yaml", &["a"]);
    write(root, "deep/er/b.yaml", &["b"]);
    let (_, report) = load(root, Settings::default()).unwrap();
    let told: Vec<_> = report
        .entries
        .iter()
        .flat_map(|entry| {
            entry.problems.iter().map(|problem| (entry.source.to_string(), problem.to_string()))
        })
        .collect();
    let back = "this link leads back to a directory that it is in, so it is not followed (take the link out of the directory)";
    let expected = [("deep/er/up:1", back), ("loop:1", back)];
    assert_eq!(told, expected.map(|(place, problem)| (place.to_owned(), problem.to_owned())));
    assert_eq!(report.count(Severity::Warning), 2);
    // Through the root by another name it is the same.
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root, elsewhere.path().join("mesh")).unwrap();
    let (mesh, report) = load(&elsewhere.path().join("mesh"), Settings::default()).unwrap();
    assert_eq!((mesh.services().count(), report.entries.len()), (2, 2));

    let mut updates = open(root).await;
    until(&mut updates, &["a", "b"]).await;
    write(root, "deep/er/b.yaml", &["b", "c"]);
    until(&mut updates, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn a_pipe_holds_nothing_up_and_what_is_too_large_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let pipe = || std::process::Command::new("mkfifo").arg(root.join("pipe.yaml")).status().unwrap();
    assert!(pipe().success());
    fs::File::create(root.join("large.yaml")).unwrap().set_len(1 << 40).unwrap();
    write(root, "a.yaml", &["a"]);
    let (_, report) = load(root, Settings::default()).unwrap();
    let problems: Vec<_> =
        report.entries.iter().flat_map(|entry| &entry.problems).map(ToString::to_string).collect();
    let told = |text: &str| problems.iter().any(|problem| problem.contains(text));
    assert!(told("it is a pipe, a device or a socket, which is not read"), "{problems:?}");
    assert!(told("the file has 1099511627776 bytes; at most 67108864 are read"), "{problems:?}");
    let mut updates = open(root).await;
    until(&mut updates, &["a"]).await;
    // One that comes meanwhile.
    fs::remove_file(root.join("pipe.yaml")).unwrap();
    assert!(pipe().success());
    write(root, "a.yaml", &["a", "b"]);
    until(&mut updates, &["a", "b"]).await;
}
