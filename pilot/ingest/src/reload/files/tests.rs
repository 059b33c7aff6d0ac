//! Files behind the back of whoever reads them, and events about them.

use super::{
    super::burst::{Event, What},
    *,
};
use std::fs;

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";

fn open(directory: &Path) -> Files {
    fs::create_dir(directory.join("deep")).unwrap();
    for name in ["a.yaml", "deep/b.yaml", ".hidden.yaml"] {
        fs::write(directory.join(name), SERVICE).unwrap();
    }
    let mut files = Files::new(directory.to_owned(), Context::default()).unwrap();
    assert_eq!(files.scan(&Burst::default()).unwrap().len(), 2);
    files
}

fn touched(directory: &Path, names: &[&str]) -> Burst {
    let mut burst = Burst::default();
    burst.add(Event { paths: names.iter().map(|name| directory.join(name)).collect(), what: What::Whole });
    burst
}

fn read(edits: Vec<Edit>) -> Vec<String> {
    let path = |edit: Edit| match edit {
        Edit::File { path, objects, problems: _, partial: _ } => format!("{path} {}", objects.len()),
        other => format!("{other:?}"),
    };
    edits.into_iter().map(path).collect()
}

#[test]
fn files_are_read_by_the_names_that_events_give() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut files = open(root);
    // Written behind its back: whoever looked at everything would find it.
    fs::write(root.join("unseen.yaml"), SERVICE).unwrap();
    fs::remove_file(root.join("a.yaml")).unwrap();
    fs::write(root.join("new.yaml"), SERVICE).unwrap();
    let burst = touched(
        root,
        &["a.yaml", "deep/b.yaml", "new.yaml", ".hidden.yaml", "notes.txt", "4913", "other/c.yaml"],
    );
    assert_eq!(read(files.update(&burst).unwrap()), ["a.yaml 0", "deep/b.yaml 1", "new.yaml 1"]);
    let all = files.scan(&Burst::default()).unwrap();
    assert_eq!(read(all), ["unseen.yaml 1"], "what was read by name is known");
}

#[test]
fn directories_links_and_lost_events_need_a_look_at_everything() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut files = open(root);
    fs::write(root.join("unseen.yaml"), SERVICE).unwrap();
    fs::create_dir(root.join("young")).unwrap();
    assert_eq!(read(files.update(&touched(root, &["young"])).unwrap()), ["unseen.yaml 1"]);
    fs::rename(root.join("deep"), root.join("deeper")).unwrap();
    let moved = files.update(&touched(root, &["deep", "deeper"])).unwrap();
    assert_eq!(read(moved), ["deeper/b.yaml 1", "deep/b.yaml 0"]);
    fs::write(root.join("late.yaml"), SERVICE).unwrap();
    let mut lost = Burst::default();
    lost.add(Event::unknown());
    assert_eq!(read(files.update(&lost).unwrap()), ["late.yaml 1"]);
    std::os::unix::fs::symlink("a.yaml", root.join("link.yaml")).unwrap();
    assert_eq!(read(files.update(&touched(root, &["link.yaml"])).unwrap()), ["link.yaml 1"]);
    fs::write(root.join("last.yaml"), SERVICE).unwrap();
    assert_eq!(read(files.update(&touched(root, &[".hidden.yaml"])).unwrap()), ["last.yaml 1"]);
}

#[test]
fn a_directory_that_is_closed_keeps_what_it_had() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    // Nothing is closed to root: on a thread of its own somebody else looks.
    let look = move || {
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
        let mut files = open(&root);
        let close = |mode| fs::set_permissions(root.join("deep"), fs::Permissions::from_mode(mode));
        close(0o000).unwrap();
        let edits = files.scan(&Burst::default()).unwrap();
        let [Edit::File { path, problems, .. }] = edits.as_slice() else { panic!("{edits:?}") };
        let told: Vec<_> = problems.iter().map(|found| found.problem.to_string()).collect();
        assert_eq!(&**path, "deep");
        assert!(told.iter().any(|problem| problem.contains("Permission denied")), "{told:?}");
        close(0o755).unwrap();
        assert_eq!(read(files.scan(&Burst::default()).unwrap()), ["deep 0"]);
        fs::remove_file(root.join("deep/b.yaml")).unwrap();
        assert_eq!(read(files.scan(&Burst::default()).unwrap()), ["deep/b.yaml 0"]);
    };
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    std::thread::spawn(look).join().unwrap();
}

/// The problems of the only edit.
fn problems(edits: &[Edit]) -> (bool, Vec<String>) {
    let [Edit::File { problems, partial, .. }] = edits else { panic!("{edits:?}") };
    (*partial, problems.iter().map(|found| found.problem.message.clone()).collect())
}

#[test]
fn who_never_closes_a_file_is_told_and_who_leaves_it_empty_is_taken_at_his_word() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut files = open(root);
    let path = || vec![root.join("a.yaml")];
    let mut burst = Burst::default();
    burst.add(Event { paths: path(), what: What::Written });
    assert_eq!(read(files.update(&burst).unwrap()), [""; 0]);
    assert_eq!(read(files.scan(&burst).unwrap()), [""; 0]);
    burst.expire(burst.held.deadline().unwrap());
    let edits = files.update(&burst).unwrap();
    assert!(problems(&edits).1[0].starts_with("somebody has had this file open"), "{edits:?}");
    assert_eq!(read(edits), ["a.yaml 1"]);

    fs::write(root.join("a.yaml"), "").unwrap();
    let edits = files.update(&touched(root, &["a.yaml"])).unwrap();
    let (partial, told) = problems(&edits);
    assert!(partial && told[0].starts_with("the file is empty now"), "{edits:?}");
    assert_eq!(files.take_emptied(), path());
    let mut burst = Burst::default();
    burst.held.emptied(root.join("a.yaml"), tokio::time::Instant::now());
    burst.expire(burst.held.deadline().unwrap());
    assert_eq!(problems(&files.update(&burst).unwrap()), (false, Vec::new()));
    assert_eq!(files.take_emptied(), Vec::<PathBuf>::new());
}
