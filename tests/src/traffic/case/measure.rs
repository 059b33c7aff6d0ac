//! What a case shows: it is played once more without each of the fields that it sets, and has to fail.
//!
//! In: the files of cases. Out: for each the fields that it notices the lack of, and those that it does not. It takes minutes, so people ask
//! for it; what came out last is committed, and `docs/reference/api.md` names a case for a field only where it noticed.

use super::Case;
use crate::{
    lacking::different,
    objects::{self, Place},
    traffic::Traffic,
};
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use std::{collections::BTreeMap, fmt::Write, fs, path::Path, path::PathBuf};

/// How often a case has to fail without a field: proxies may not have taken up the newest configuration when requests come.
const TRIES: usize = 2;

/// Of a case whose objects are not Istio's.
const NOTHING: &str = " sets-no-field";

/// What came out, by `directory/case` and field: whether the case fails without it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Measured(pub BTreeMap<String, BTreeMap<String, bool>>);

impl Measured {
    /// As it is committed.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self> {
        let mut found = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(case) = line.strip_suffix(NOTHING) {
                found.0.entry(case.to_owned()).or_default();
                continue;
            }
            let mut words = line.splitn(3, ' ');
            let (case, outcome, field) = (words.next(), words.next(), words.next());
            let (Some(case), Some(field)) = (case, field) else {
                anyhow::bail!("not a case and a field: {line}")
            };
            let fails = match outcome {
                Some("fails-without") => true,
                Some("passes-without") => false,
                _ => anyhow::bail!("neither fails nor passes: {line}"),
            };
            found.0.entry(case.to_owned()).or_default().insert(field.to_owned(), fails);
        }
        Ok(found)
    }

    /// One line a field, and one for a case without any.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (case, fields) in &self.0 {
            if fields.is_empty() {
                let _ = writeln!(text, "{case}{NOTHING}");
            }
            for (field, fails) in fields {
                let outcome = if *fails { "fails-without" } else { "passes-without" };
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{case} {outcome} {field}");
            }
        }
        text
    }
}

/// A field as the record names it.
pub fn name((kind, path): &Place) -> String {
    format!("{kind} {path}")
}

/// Plays all cases below `cases` whose name contains `wanted`, on `traffic`, with requests from the pod `client`.
///
/// # Errors
/// When a case fails as it is, or an edit does not get through.
pub async fn measure(traffic: &Traffic, client: &str, cases: &Path, wanted: &str) -> Result<Measured> {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for directory in fs::read_dir(cases)? {
        for file in fs::read_dir(directory?.path())? {
            let path = file?.path();
            let name = path.strip_prefix(cases)?.with_extension("").display().to_string();
            files.push((name, path));
        }
    }
    files.retain(|(name, _)| name.contains(wanted));
    files.sort();
    let measured = files.into_iter().map(|(name, file)| async move {
        let fields = fields(traffic, client, &file).await.with_context(|| name.clone())?;
        Ok::<_, anyhow::Error>((name, fields))
    });
    Ok(Measured(stream::iter(measured).buffer_unordered(4).try_collect().await?))
}

async fn fields(traffic: &Traffic, client: &str, file: &Path) -> Result<BTreeMap<String, bool>> {
    let text = fs::read_to_string(file)?;
    let (_, yaml) = text.split_once("\n---\n").context("a first document, then objects")?;
    let documents = objects::read(yaml).context("objects")?;
    ensure!(!fails(traffic, client, file, yaml).await?, "fails as it is");
    let mut found = BTreeMap::new();
    for place in objects::used(&documents) {
        let without = objects::write(&objects::without(&documents, place.0, &place.1));
        found.insert(name(&place), fails(traffic, client, file, &without).await?);
    }
    Ok(found)
}

/// Whether the case fails with these objects, each time with workloads of its own, and without what was there before: what can't be read
/// would leave that in effect.
async fn fails(traffic: &Traffic, client: &str, file: &Path, objects: &str) -> Result<bool> {
    for _ in 0..TRIES {
        let mut case = Case::read(file)?;
        case.objects = objects.to_owned() + &different();
        // Whether somebody is told something is not what requests do.
        case.script.problems.clear();
        let applied = format!("{}.yaml", case.name);
        let running = case.start(traffic).await?;
        let outcome = running.play(traffic, client, traffic.proxy(client)?).await;
        traffic.remove(&applied).await?;
        if outcome.is_ok() {
            return Ok(false);
        }
    }
    Ok(true)
}
