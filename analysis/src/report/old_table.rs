//! A table, as Markdown and for the terminal.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width,
};

/// Columns of the terminal that a table fits into.
pub(super) const TERMINAL_WIDTH: u16 = 110;

/// Columns between two columns of a table.
const GAP: usize = 2;

/// A cell up to this wide is never wrapped.
const WHOLE_CELL: usize = 24;

/// A rule under the heads and nothing else.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table. Text stands left, numbers right.
#[derive(Debug)]
pub(super) struct Table {
    heads: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Where a column's content stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

impl Table {
    pub(super) fn new(heads: &[(&'static str, Align)]) -> Self {
        Table {
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one cell for each head.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.heads.len());
        self.rows.push(cells);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&mut self.heads.iter().map(|(head, _)| escape(head)));
        let rules = self.heads.iter().map(|(_, align)| match align {
            Align::Left => "---",
            Align::Right => "---:",
        });
        text += &line(&mut rules.map(str::to_owned));
        for row in &self.rows {
            text += &line(&mut row.iter().map(|cell| escape(cell)));
        }
        text
    }

    pub(super) fn terminal(&self) -> String {
        let mut table = comfy_table::Table::new();
        table
            .load_style(STYLE)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(TERMINAL_WIDTH)
            .set_header(self.heads.iter().map(|(head, _)| *head));
        for row in &self.rows {
            // A line break inside of what an audit says would look like a row.
            table.add_row(row.iter().map(|cell| one_line(cell)));
        }
        let widths = self.least_widths();
        let fits = widths.iter().map(|width| width + GAP).sum::<usize>() <= TERMINAL_WIDTH.into();
        for (at, column) in table.column_iter_mut().enumerate() {
            // The table's style puts one more between columns.
            column.set_padding((0, 1));
            column.set_cell_alignment(match self.heads[at].1 {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
            // Otherwise words are broken where it is least bad.
            if let (true, Ok(width)) = (fits, u16::try_from(widths[at] + 1)) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
            }
        }
        let lines: Vec<String> = table.lines().map(|l| l.trim_end().to_owned()).collect();
        lines.join("\n") + "\n"
    }

    /// How wide each column must be for no number to be wrapped and no word to be broken.
    fn least_widths(&self) -> Vec<usize> {
        let longest_word = |text: &str| text.split(' ').map(|w| w.chars().count()).max();
        let of_cell = |cell: &String| match cell.chars().count() {
            width if width <= WHOLE_CELL => width,
            _ => longest_word(cell).unwrap_or(0),
        };
        let of_column = |at: usize| {
            let cells = self.rows.iter().map(|row| of_cell(&row[at]));
            cells.chain(longest_word(self.heads[at].0)).max()
        };
        (0..self.heads.len())
            .map(|at| of_column(at).unwrap_or(0))
            .collect()
    }
}

/// Text that Markdown takes for nothing else.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(text).chars() {
        if matches!(c, '|' | '<' | '*' | '_' | '`' | '[' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Text without line breaks and other characters that steer a terminal.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_cell_cannot_break_out_of_it() {
        let mut table = Table::new(&[("run", Align::Left), ("audit", Align::Right)]);
        table.row(vec!["a".to_owned(), "x | y\n\u{1b}[31m*<b>*".to_owned()]);
        assert_eq!(
            table.markdown(),
            "| run | audit |\n| --- | ---: |\n| a | x \\| y  \\[31m\\*\\<b>\\* |\n"
        );
        let terminal = table.terminal();
        assert_eq!(terminal.lines().count(), 3, "{terminal}");
        assert!(!terminal.contains('\u{1b}'));
    }

    #[test]
    fn words_are_broken_only_where_nothing_else_fits() {
        let heads = ["workload", "a long head"].map(|head| (head, Align::Left));
        let mut table = Table::new(&heads);
        table.row(vec!["write-heavy".to_owned(), "telegraft ×3".to_owned()]);
        table.row(vec!["x".to_owned(), "one word after another ".repeat(9)]);
        let terminal = table.terminal();
        assert!(terminal.contains("write-heavy"), "{terminal}");
        assert!(terminal.contains("telegraft ×3"), "{terminal}");

        let mut table = Table::new(&heads);
        table.row(vec!["w".repeat(90), "x".repeat(90)]);
        for line in table.terminal().lines() {
            assert!(
                line.chars().count() <= usize::from(TERMINAL_WIDTH),
                "{line}"
            );
        }
    }

    #[test]
    fn a_wide_table_fits_the_terminal() {
        let mut table = Table::new(&[("run", Align::Left), ("audit", Align::Left)]);
        table.row(vec!["a".repeat(30), "one word after the other ".repeat(20)]);
        for line in table.terminal().lines() {
            assert!(
                line.chars().count() <= usize::from(TERMINAL_WIDTH),
                "{line}"
            );
        }
    }
}
