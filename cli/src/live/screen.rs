//! In: snapshots. Out: the terminal redrawn in place, or lines of changes where there is no terminal.

use anyhow::Result;
use console::{Term, truncate_str};

use super::{Snapshot, changes, table};
use crate::output;

/// Shows snapshots.
pub struct Live {
    /// Absent where nobody watches.
    terminal: Option<Term>,
    drawn: Vec<String>,
    last: Snapshot,
}

impl Live {
    /// Draws on stdout, in place if it is a terminal.
    pub fn new() -> Self {
        let terminal = output::is_watched().then(Term::stdout);
        Self { terminal, drawn: Vec::new(), last: Snapshot::default() }
    }

    /// Whether a person watches: only then is it worth asking Envoys for numbers.
    pub fn is_watched(&self) -> bool {
        self.terminal.is_some()
    }

    /// Shows `snapshot`. Equal ones cost nothing.
    pub fn show(&mut self, mut snapshot: Snapshot) -> Result<()> {
        if self.terminal.is_none() {
            changes::settle(&self.last, &mut snapshot);
        }
        if snapshot == self.last {
            return Ok(());
        }
        match &self.terminal {
            Some(terminal) => {
                let (height, width) = terminal.size();
                let mut lines = table::lines(&snapshot);
                // A line that wraps, or a screen that scrolls, could not be drawn over.
                lines.truncate(usize::from(height).saturating_sub(1));
                for line in &mut lines {
                    *line = truncate_str(line, usize::from(width), "…").into_owned();
                }
                if lines != self.drawn {
                    terminal.clear_last_lines(self.drawn.len())?;
                    terminal.write_line(&lines.join("\n"))?;
                    self.drawn = lines;
                }
            }
            None => {
                let lines = changes::lines(&self.last, &snapshot);
                let text: String = lines.into_iter().map(|line| line + "\n").collect();
                output::print(&text)?;
            }
        }
        self.last = snapshot;
        Ok(())
    }
}
