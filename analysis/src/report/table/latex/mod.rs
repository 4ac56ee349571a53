//! A table as LaTeX: a file to be read with `\input`.
//!
//! Rules are those of booktabs, numbers stand with their points below each other and have
//! their units in the head (siunitx, version 3). The first line names the packages that the
//! table needs. Notes stand below it. [`layout`] says how it fits the page.

mod columns;
mod escape;
mod layout;
mod width;

use std::fmt::Write as _;

use super::{Cell, MARK, Table};
use crate::report::text::Text;
use columns::{Align, Set};
use layout::Layout;

/// Rows from which on a table with groups of rows has space between them.
const ROWS_WITH_SPACE: usize = 6;

/// Where the notes do not tell what the mark means.
const MARK_NOTE: &str = "⚠ marks what does not count as it stands; the report says why.";

impl Table {
    /// The whole environment with caption, label `tab:NAME` and notes.
    pub(crate) fn latex(&self) -> String {
        let columns: Vec<Set> = (0..self.columns.len())
            .map(|at| Set::new(self, at))
            .collect();
        let layout = Layout::of(&columns);
        let written = Written {
            table: self,
            columns: &columns,
            layout: &layout,
        };
        match layout.long {
            true => written.long(),
            false => written.float(),
        }
    }

    /// The notes, with one for the mark where it is used and not explained.
    fn all_notes(&self) -> Vec<Text> {
        let marked = |cell: &Cell| matches!(cell, Cell::Text(text) if text.contains(MARK));
        let told = |text: &Text| text.terminal().contains(MARK);
        let mut notes = self.notes.clone();
        let used = self.rows.iter().flatten().any(marked);
        if used && !notes.iter().any(told) && !told(&self.caption) {
            notes.push(Text::plain(MARK_NOTE));
        }
        notes
    }
}

/// A table with its layout.
struct Written<'a> {
    table: &'a Table,
    columns: &'a [Set],
    layout: &'a Layout,
}

impl Written<'_> {
    /// One that stays on a page.
    fn float(&self) -> String {
        let environment = match self.layout.turned {
            true => "sidewaystable",
            false => "table",
        };
        let mut text = self.packages();
        let place = if self.layout.turned { "" } else { "[htbp]" };
        let _ = writeln!(text, "\\begin{{{environment}}}{place}\n\\centering");
        let _ = writeln!(text, "\\caption{{{}}}", escape::text(&self.table.caption));
        // Classes leave no space below a caption, which they take to stand below a figure.
        let name = self.table.name;
        let _ = writeln!(text, "\\label{{tab:{name}}}\n\\par\\smallskip");
        text += &self.settings();
        if self.layout.scaled {
            text += "\\resizebox{\\linewidth}{!}{%\n";
        }
        let _ = writeln!(text, "\\begin{{tabular}}{{{}}}\n\\toprule", self.preamble());
        let _ = write!(text, "{}\\midrule\n{}", self.heads(), self.rows());
        text += "\\bottomrule\n\\end{tabular}";
        text += if self.layout.scaled { "}\n" } else { "\n" };
        let notes = self.table.all_notes();
        if !notes.is_empty() {
            text += "\n\\smallskip\n\\begin{minipage}{\\linewidth}\n\\footnotesize\n";
            text += &paragraphs(&notes);
            text += "\\end{minipage}\n";
        }
        let _ = writeln!(text, "\\end{{{environment}}}");
        text
    }

    /// One that goes on on the next page, with its heads.
    fn long(&self) -> String {
        let mut text = self.packages();
        if self.layout.turned {
            text += "\\begin{landscape}\n";
        }
        text += "\\begingroup\n";
        text += &self.settings();
        text += "\\setlength{\\LTcapwidth}{\\linewidth}\n";
        let _ = writeln!(text, "\\begin{{longtable}}{{{}}}", self.preamble());
        let caption = escape::text(&self.table.caption);
        // The label is known once the caption is set; the row's end belongs to both.
        let _ = writeln!(text, "\\caption{{{caption}}}%");
        let _ = writeln!(text, "\\label{{tab:{}}}\\\\", self.table.name);
        let heads = self.heads();
        let _ = write!(text, "\\toprule\n{heads}\\midrule\n\\endfirsthead\n");
        let _ = write!(text, "\\toprule\n{heads}\\midrule\n\\endhead\n");
        let columns = self.columns.len();
        let _ = write!(
            text,
            "\\midrule\n\\multicolumn{{{columns}}}{{r@{{}}}}{{\\emph{{continued}}}}\\\\\n\\endfoot\n\
             \\bottomrule\n\\endlastfoot\n{}\\end{{longtable}}\n",
            self.rows()
        );
        let notes = self.table.all_notes();
        if !notes.is_empty() {
            let _ = writeln!(
                text,
                "\\noindent\\footnotesize\n{}\\par",
                paragraphs(&notes).trim_end()
            );
        }
        text += "\\endgroup\n";
        if self.layout.turned {
            text += "\\end{landscape}\n";
        }
        text
    }

    fn packages(&self) -> String {
        let mut packages = vec!["array", "booktabs"];
        match (self.layout.long, self.layout.turned) {
            (true, true) => packages.extend(["longtable", "pdflscape"]),
            (true, false) => packages.push("longtable"),
            (false, true) => packages.push("rotating"),
            (false, false) => {}
        }
        if self.layout.scaled {
            packages.push("graphicx");
        }
        packages.push("siunitx");
        format!(
            "% Needs \\usepackage{{{}}} (siunitx 3).\n",
            packages.join(",")
        )
    }

    fn settings(&self) -> String {
        let size = self.layout.size;
        format!(
            "{}\n\\setlength{{\\tabcolsep}}{{{}pt}}\n",
            size.command, size.gap
        )
    }

    fn preamble(&self) -> String {
        let column = |(set, share): (&Set, &Option<f64>)| match (share, &set.align) {
            (Some(share), _) => {
                format!(">{{\\raggedright\\arraybackslash}}p{{{share:.3}\\linewidth}}")
            }
            (None, Align::Left) => "l".to_owned(),
            (None, Align::Right) => "r".to_owned(),
            (None, Align::Point(format)) => format!(
                "S[table-format={format},table-number-alignment=right,table-text-alignment=right]"
            ),
        };
        let columns: Vec<String> = self
            .columns
            .iter()
            .zip(&self.layout.shares)
            .map(column)
            .collect();
        match columns.iter().any(|column| column.len() > 1) {
            // One a line.
            true => format!("@{{}}\n  {}\n@{{}}", columns.join("\n  ")),
            false => format!("@{{}}{}@{{}}", columns.concat()),
        }
    }

    /// The heads, their last lines on one line, and units below them.
    fn heads(&self) -> String {
        let height = self
            .columns
            .iter()
            .map(|set| set.head.len())
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for line in 0..height {
            let of = |set: &Set| {
                let at = (line + set.head.len()).checked_sub(height);
                let head = at.and_then(|at| set.head.get(at));
                head.map_or(String::new(), |head| {
                    format!("{{{}}}", escape::escape(head))
                })
            };
            text += &row(self.columns.iter().map(of));
        }
        if self.columns.iter().any(|set| set.unit.is_some()) {
            let of = |set: &Set| set.unit.as_ref().map(|unit| format!("{{{unit}}}"));
            text += &row(self.columns.iter().map(|set| of(set).unwrap_or_default()));
        }
        text
    }

    fn rows(&self) -> String {
        let wrapped = self.layout.shares.iter().any(Option::is_some);
        let first = |at: usize| self.table.rows.get(at).and_then(|row| row.first());
        let count = self.table.rows.len();
        let in_groups = count > ROWS_WITH_SPACE && (1..count).any(|at| first(at) == first(at - 1));
        let mut text = String::new();
        for at in 0..count {
            if at > 0 && (wrapped || in_groups && first(at) != first(at - 1)) {
                text += if wrapped {
                    "\\addlinespace[2pt]\n"
                } else {
                    "\\addlinespace\n"
                };
            }
            text += &row(self.columns.iter().map(|set| set.cells[at].clone()));
        }
        text
    }
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("{} \\\\\n", cells.join(" & "))
}

fn paragraphs(notes: &[Text]) -> String {
    let notes: Vec<String> = notes.iter().map(escape::text).collect();
    notes.join("\\par\n") + "\n"
}
