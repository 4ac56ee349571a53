//! The files of a table.

use super::Table;

/// Name in `tables/` and content of all that a table is written as: Markdown with caption and
/// notes, LaTeX to be read with `\input`, and CSV.
pub(crate) fn files(table: &Table) -> [(String, String); 3] {
    let name = |ending: &str| format!("{}.{ending}", table.name);
    [
        (name("md"), table.markdown_with_caption()),
        (name("tex"), table.latex()),
        (name("csv"), table.csv()),
    ]
}

impl Table {
    /// Caption, table and notes, with an empty line between them.
    pub(crate) fn markdown_with_caption(&self) -> String {
        let mut parts = vec![self.caption.markdown()];
        parts.push(self.markdown().trim_end().to_owned());
        parts.extend(self.notes.iter().map(|note| note.markdown()));
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n") + "\n"
    }
}
