//! What is told of certificates as their end comes nearer, in the log and as an exit code.

use std::sync::{Arc, Mutex, PoisonError};

use mesh_pki::keys::{self, KeyKind};

use super::*;
use crate::{
    authority::Material,
    root::{
        create::{Request, self_signed},
        rotation::{Kept, Rotation},
    },
};

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What `act` logs, a line each: its level, what it says, and the days that are left.
    fn of(act: impl FnOnce()) -> Vec<String> {
        let log = Self::default();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || to.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = std::mem::take(&mut *log.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(|line| line.trim().to_owned()).collect()
    }
}

/// A root that signs, made at `made`.
fn root(lifetime: Duration, made: SystemTime) -> Material {
    let organization = "cluster.local".to_owned();
    self_signed(&Request { organization, key: KeyKind::P256, lifetime }, made).unwrap()
}

/// The report of an authority at `now`, whose serving certificate has just been renewed.
fn report(material: &Material, plugged_in: bool, now: SystemTime) -> Report {
    let state = State::new(material, now).unwrap();
    let key = keys::generate(KeyKind::P256).unwrap();
    let leaf = state.sign_server(&key, &["localhost".to_owned()], DAY, now).unwrap();
    let serving = Credential::from_pem(&leaf.pem, &key.serialize_pem()).unwrap();
    let kept =
        Kept { material: material.clone(), rotation: Rotation::Steady, requested: false, longest: None };
    let stored = Stored { kept, version: String::new(), plugged_in };
    Report::new(&state, &stored, &serving, &Standing::default(), now)
}

#[test]
fn what_nobody_renews_is_told_90_30_and_7_days_ahead_and_then_every_day() {
    let made = SystemTime::now();
    let material = root(DAY * 200, made);
    let mut warner = Warner::default();
    let mut told = Vec::new();
    // Four times a day.
    for quarter in 0..200 * 4 - 1 {
        let report = report(&material, true, made + DAY / 4 * quarter);
        let days = report.certificates[0].remaining / DAY.as_secs();
        told.extend(Log::of(|| warner.look(&report)).into_iter().map(|line| (days, report.severity, line)));
    }
    let days: Vec<u64> = told.iter().map(|(days, ..)| *days).collect();
    assert_eq!(days, [89, 29, 6, 5, 4, 3, 2, 1, 0], "{told:#?}");
    for (at, (level, what, severity)) in [
        ("WARN", "within 90 days", Severity::Notice),
        ("WARN", "renew it now", Severity::Warning),
        ("ERROR", "within days", Severity::Critical),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, worst, line) = &told[at];
        assert!(line.starts_with(level) && line.contains(what), "{line}");
        assert!(line.contains(r#"part="root""#) && line.contains("O=cluster.local"), "{line}");
        assert_eq!(*worst, severity, "of the whole tree");
    }
}

#[test]
fn a_root_that_is_replaced_by_itself_is_told_only_when_that_is_late() {
    let made = SystemTime::now();
    let material = root(DAY * 100, made);
    let told = |left: u32| {
        let report = report(&material, false, made + DAY * (100 - left));
        let lines = Log::of(|| Warner::default().look(&report));
        (report.severity, lines.len())
    };
    // It begins to be replaced when a fifth is left: 20 days.
    assert_eq!([told(89), told(29), told(16)], [(Severity::Fine, 0); 3]);
    assert_eq!(told(14), (Severity::Warning, 1));
}
