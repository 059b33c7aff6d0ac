//! Figures, the bars they are held to, and the table and JSON they end up in.
//!
//! In: rows. Out: text. Knows nothing of what was measured.

use std::fmt;
use std::time::Duration;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::machine::Machine;

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Time, in seconds.
    Seconds,
    /// Memory or traffic.
    Bytes,
    /// Traffic by time.
    BytesPerSecond,
    /// A share of 100.
    PerCent,
    /// How often something is contained in something else.
    Times,
    /// Things.
    Count,
}

/// What a value has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Bar {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The scenario it comes from.
    pub scenario: &'static str,
    /// What it is.
    pub measure: String,
    /// How much it is.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
    /// What it has to reach, if anything.
    pub bar: Option<Bar>,
    /// Whether it does.
    pub met: Option<bool>,
}

/// Everything that one run found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// With which arguments.
    pub command: String,
    /// What.
    pub rows: Vec<Row>,
}

/// The figures of one scenario, as it finds them.
#[derive(Debug)]
pub struct Findings<'a> {
    rows: &'a mut Vec<Row>,
    scenario: &'static str,
}

impl<'a> Findings<'a> {
    /// Collects figures of a scenario.
    pub fn of(scenario: &'static str, rows: &'a mut Vec<Row>) -> Self {
        Self { rows, scenario }
    }

    /// Notes a value, and a bar if there is one.
    pub fn note(&mut self, measure: impl Into<String>, value: f64, unit: Unit, bar: impl Into<Option<Bar>>) {
        let bar = bar.into();
        let met = bar.map(|bar| match bar {
            Bar::AtMost(most) => value <= most,
            Bar::AtLeast(least) => value >= least,
        });
        self.rows.push(Row { scenario: self.scenario, measure: measure.into(), value, unit, bar, met });
    }

    /// Notes a time.
    pub fn time(&mut self, measure: impl Into<String>, value: Duration, most: impl Into<Option<Duration>>) {
        let bar = most.into().map(|most| Bar::AtMost(most.as_secs_f64()));
        self.note(measure, value.as_secs_f64(), Unit::Seconds, bar);
    }

    /// Notes a number of bytes.
    pub fn bytes(&mut self, measure: impl Into<String>, value: f64, most: impl Into<Option<f64>>) {
        self.note(measure, value, Unit::Bytes, most.into().map(Bar::AtMost));
    }
}

impl Report {
    /// How many figures miss their bar.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| row.met == Some(false)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table
            .load_style(presets::ASCII_MARKDOWN)
            .set_header(["scenario", "measure", "value", "bar", "verdict"]);
        for Row { scenario, measure, value, unit, bar, met } in &self.rows {
            let verdict = match met {
                None => "",
                Some(true) => "met",
                Some(false) => "MISSED",
            };
            let bar = bar.map_or_else(String::new, |bar| match bar {
                Bar::AtMost(most) => format!("<= {}", show(most, *unit)),
                Bar::AtLeast(least) => format!(">= {}", show(least, *unit)),
            });
            table.add_row([scenario, measure.as_str(), &show(*value, *unit), &bar, verdict]);
        }
        write!(f, "{table}")
    }
}

/// A value for people.
fn show(value: f64, unit: Unit) -> String {
    const MIB: f64 = 1024.0 * 1024.0;
    match unit {
        Unit::Seconds if value < 1e-3 => format!("{:.1} us", value * 1e6),
        Unit::Seconds if value < 1.0 => format!("{:.1} ms", value * 1e3),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Bytes if value >= 1024.0 * MIB => format!("{:.2} GiB", value / 1024.0 / MIB),
        Unit::Bytes if value >= MIB => format!("{:.2} MiB", value / MIB),
        Unit::Bytes if value >= 1024.0 => format!("{:.1} KiB", value / 1024.0),
        Unit::Bytes => format!("{value:.0} B"),
        Unit::BytesPerSecond => format!("{:.2} GB/s", value / 1e9),
        Unit::PerCent => format!("{value:.2} %"),
        Unit::Times => format!("{value:.2}x"),
        Unit::Count => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_units_that_people_read() {
        assert_eq!(show(0.00052, Unit::Seconds), "520.0 us");
        assert_eq!(show(0.0123, Unit::Seconds), "12.3 ms");
        assert_eq!(show(150.0 * 1024.0 * 1024.0, Unit::Bytes), "150.00 MiB");
    }

    #[test]
    fn a_value_at_its_bar_meets_it() {
        let mut rows = Vec::new();
        let mut findings = Findings::of("test", &mut rows);
        findings.time("a", Duration::from_millis(50), Duration::from_millis(50));
        findings.note("b", 0.9, Unit::BytesPerSecond, Bar::AtLeast(1.0));
        findings.bytes("c", 3.0, None);
        assert_eq!(rows.iter().map(|row| row.met).collect::<Vec<_>>(), [Some(true), Some(false), None]);
    }
}
