//! In: rows of text. Out: columns as `kubectl` prints them: aligned, two or three spaces apart, no lines.
//! Widths are those that a terminal shows, so that cells may be coloured.

use console::{measure_text_width, style};

const GAP: &str = "   ";

/// Rows under a header.
#[derive(Debug, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column names.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// The lines, the header first.
    pub fn lines(&self) -> Vec<String> {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let mut widths = vec![0; self.header.len()];
        for row in all() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = measure_text_width(cell).max(*width);
            }
        }
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                if !line.is_empty() {
                    line.push_str(GAP);
                }
                line.push_str(cell);
                line.push_str(&" ".repeat(width - measure_text_width(cell)));
            }
            line.truncate(line.trim_end().len());
            line
        };
        let mut lines: Vec<String> = all().map(line).collect();
        lines[0] = style(&lines[0]).bold().to_string();
        lines
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["NAME", "N"]);
        table.row(["a-long-name".to_owned(), "1".to_owned()]);
        table.row([style("b").red().force_styling(true).to_string(), String::new()]);
        let lines: Vec<String> =
            table.lines().iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect();
        assert_eq!(lines, ["NAME          N", "a-long-name   1", "b"]);
    }
}
