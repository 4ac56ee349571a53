//! A table for a terminal.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width,
};

use super::{Kind, Table};
use crate::report::text::one_line;

/// Columns of the terminal that a table fits into.
pub(crate) const TERMINAL_WIDTH: u16 = 110;

/// Columns between two columns of a table.
const GAP: usize = 2;

/// A cell up to this wide is never wrapped.
const WHOLE_CELL: usize = 24;

/// A rule under the heads and nothing else.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl Table {
    /// The table alone, without caption and notes, and without what has no room.
    pub(crate) fn terminal(&self) -> String {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|at| !self.columns[*at].page_only)
            .collect();
        let mut table = comfy_table::Table::new();
        table
            .load_style(STYLE)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(TERMINAL_WIDTH)
            .set_header(shown.iter().map(|at| self.columns[*at].title()));
        for row in &self.rows {
            // A line break inside of what an audit says would look like a row.
            table.add_row(shown.iter().map(|at| one_line(&row[*at].shown())));
        }
        let widths: Vec<usize> = shown.iter().map(|at| self.least_width(*at)).collect();
        let fits = widths.iter().map(|width| width + GAP).sum::<usize>() <= TERMINAL_WIDTH.into();
        for (nth, column) in table.column_iter_mut().enumerate() {
            // The table's style puts one more between columns.
            column.set_padding((0, 1));
            column.set_cell_alignment(match self.columns[shown[nth]].kind {
                Kind::Text => CellAlignment::Left,
                Kind::Number | Kind::Interval => CellAlignment::Right,
            });
            // Otherwise words are broken where it is least bad.
            if let (true, Ok(width)) = (fits, u16::try_from(widths[nth] + 1)) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
            }
        }
        let lines: Vec<String> = table.lines().map(|l| l.trim_end().to_owned()).collect();
        lines.join("\n") + "\n"
    }

    /// How wide a column must be for no number to be wrapped and no word to be broken.
    fn least_width(&self, at: usize) -> usize {
        let longest_word = |text: &str| text.split(' ').map(|w| w.chars().count()).max();
        let of_cell = |text: String| match text.chars().count() {
            width if width <= WHOLE_CELL => width,
            _ => longest_word(&text).unwrap_or(0),
        };
        let cells = self.rows.iter().map(|row| of_cell(row[at].shown()));
        let head = longest_word(&self.columns[at].title());
        cells.chain(head).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Column};
    use super::*;
    use crate::report::text::Text;

    fn table(heads: [&'static str; 2]) -> Table {
        let columns = heads.map(|head| Column::text("key", head));
        Table::new("t", Text::default(), &columns)
    }

    fn row(table: &mut Table, cells: [&str; 2]) {
        table.row(cells.map(Cell::text).to_vec());
    }

    #[test]
    fn nothing_in_a_cell_steers_the_terminal() {
        let mut table = table(["run", "audit"]);
        row(&mut table, ["a", "x | y\n\u{1b}[31m"]);
        let terminal = table.terminal();
        assert_eq!(terminal.lines().count(), 3, "{terminal}");
        assert!(!terminal.contains('\u{1b}'));
    }

    #[test]
    fn words_are_broken_only_where_nothing_else_fits() {
        let heads = ["workload", "a long head"];
        let mut roomy = table(heads);
        row(&mut roomy, ["write-heavy", "telegraft ×3"]);
        row(&mut roomy, ["x", &"one word after another ".repeat(9)]);
        let terminal = roomy.terminal();
        assert!(terminal.contains("write-heavy"), "{terminal}");
        assert!(terminal.contains("telegraft ×3"), "{terminal}");

        let mut tight = table(heads);
        row(&mut tight, [&"w".repeat(90), &"x".repeat(90)]);
        row(&mut tight, ["a", &"one word after the other ".repeat(20)]);
        for line in tight.terminal().lines() {
            let width = line.chars().count();
            assert!(width <= usize::from(TERMINAL_WIDTH), "{line}");
        }
    }
}
