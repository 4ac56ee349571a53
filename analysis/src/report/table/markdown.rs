//! A table as Markdown.

use super::{Kind, Table};
use crate::report::text::escape;

impl Table {
    /// The table alone, without caption and notes.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&mut self.columns.iter().map(|column| escape(&column.title())));
        let rules = self.columns.iter().map(|column| match column.kind {
            Kind::Text => "---",
            Kind::Number | Kind::Interval => "---:",
        });
        text += &line(&mut rules.map(str::to_owned));
        for row in &self.rows {
            text += &line(&mut row.iter().map(|cell| escape(&cell.shown())));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Column};
    use super::*;
    use crate::report::text::Text;

    #[test]
    fn what_stands_in_a_cell_cannot_break_out_of_it() {
        let columns = [Column::text("run", "run"), Column::number("n", "n", "ms")];
        let mut table = Table::new("t", Text::default(), &columns);
        table.row(vec![
            Cell::text("x | y\n\u{1b}[31m*<b>*"),
            Cell::number(Some(1234.0)),
        ]);
        assert_eq!(
            table.markdown(),
            "| run | n (ms) |\n| --- | ---: |\n| x \\| y  \\[31m\\*\\<b>\\* | 1,230 |\n"
        );
    }
}
