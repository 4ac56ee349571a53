//! Refreshes what stands between markers in a Markdown file from a report, so that no number in
//! it is typed by hand.
//!
//! | marker | what stands behind it, up to `<!-- /telegraft -->` |
//! |---|---|
//! | `<!-- telegraft:table NAME -->` | a table with its caption and notes |
//! | `<!-- telegraft:figure NAME -->` | a picture with its caption |
//! | `<!-- telegraft:findings SECTION -->` | the sentences that a section finds |
//! | `<!-- telegraft:value TABLE/ROW/COLUMN -->` | a cell, inside of a line |
//!
//! `ROW` is what a row's first cells say, as far as they are text, joined with `/`: those of all
//! text columns before the first number, or the first few of them. The first row that fits
//! counts. Marks (⚠) are no part of it, and `x` stands for `×`. `COLUMN` is the column's name in
//! the table's CSV file. So `latency/chat/send/telegraft x3/p99_ms` is a number.
//!
//! A marker stands in one line. One of a value must not begin its line: to Markdown, a line that
//! begins with `<!--` is HTML up to its end (CommonMark 0.31.2, section 4.6), and formatting in the
//! rest of it would be lost. Markers in fenced code, and right behind a backtick, are text.
//! Everything outside of markers stays as it is, byte for byte.

mod content;
mod file;
mod markers;

use std::fmt;

use crate::report::document::Document;
use content::content;
use markers::{Part, parts};

pub use file::{Outcome, WriteUpError, write_up};

/// What is wrong with a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// From 1.
    pub line: usize,
    /// In a sentence, with what is known where something is not.
    pub reason: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.reason)
    }
}

/// Makes a figure's name the target of a link, or says why there is none.
type Link<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// `source` with everything between markers as `document` has it.
///
/// # Errors
/// All that is wrong with its markers.
pub(crate) fn refresh(
    source: &str,
    document: &Document,
    link: &Link<'_>,
) -> Result<String, Vec<Trouble>> {
    let (parts, mut troubles) = parts(source);
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(same) => text.push_str(same),
            Part::Marked(marked) => match content(document, marked.kind, marked.name, link) {
                Ok(content) => marked.write(&content, &mut text),
                Err(reason) => troubles.push(Trouble {
                    line: marked.line,
                    reason,
                }),
            },
        }
    }
    troubles.sort_by_key(|trouble| trouble.line);
    match troubles.is_empty() {
        true => Ok(text),
        false => Err(troubles),
    }
}

#[cfg(test)]
mod tests;
