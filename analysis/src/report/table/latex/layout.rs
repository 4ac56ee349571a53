//! How a table is laid out: as large as it fits a page.
//!
//! What it must fit is the text of `article` on A4 in one column at 10 pt, 345 pt wide: theses
//! have no less. A table that is too wide is set smaller, then with long text in paragraphs, and
//! then turned; one with many lines may break over pages.

use super::columns::Set;
use super::width::{widest_piece, width};

/// Points of a page's text, across and down.
const PAGE: (f64, f64) = (345.0, 598.0);

/// Points of a page that are not a table's rows: caption, heads and notes.
const AROUND: f64 = 110.0;

/// Lines of a table that is not broken over pages.
const LINES: f64 = 40.0;

/// What a width that was computed may be wrong by.
const SLACK: f64 = 1.02;

/// Rows of a table that is a list.
const LIST: usize = 12;

/// Lines that a cell may have before the page is turned.
const CELL_LINES: f64 = 4.0;

/// A size of letters.
#[derive(Debug)]
pub(super) struct Size {
    pub(super) command: &'static str,
    /// Of 10 pt; small fonts are wider than that.
    scale: f64,
    /// Between columns, on either side of each, in points.
    pub(super) gap: f64,
    /// From line to line, in points.
    line: f64,
}

const SMALL: Size = Size {
    command: "\\small",
    scale: 0.925,
    gap: 5.0,
    line: 11.0,
};
const FOOTNOTE: Size = Size {
    command: "\\footnotesize",
    scale: 0.85,
    gap: 3.5,
    line: 9.5,
};
const SCRIPT: Size = Size {
    command: "\\scriptsize",
    scale: 0.797,
    gap: 2.0,
    line: 8.0,
};

/// How a table is laid out.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) size: &'static Size,
    /// Whether the page is turned.
    pub(super) turned: bool,
    /// Whether it may break over pages.
    pub(super) long: bool,
    /// Whether only scaling makes it fit.
    pub(super) scaled: bool,
    /// Of each column that is set in paragraphs, its share of the line.
    pub(super) shares: Vec<Option<f64>>,
}

impl Layout {
    pub(super) fn of(columns: &[Set]) -> Layout {
        let tries = [
            // Whole first: a name that is broken in each row reads worse than a small one.
            (false, &SMALL, 1.0),
            (false, &FOOTNOTE, 1.0),
            (false, &SCRIPT, 1.0),
            (false, &SMALL, CELL_LINES),
            (false, &FOOTNOTE, CELL_LINES),
            (false, &SCRIPT, CELL_LINES),
            (true, &SMALL, CELL_LINES),
            (true, &FOOTNOTE, 2.0 * CELL_LINES),
            (true, &SCRIPT, f64::INFINITY),
        ];
        let fitting = tries.into_iter().find_map(|(turned, size, most)| {
            let widths = paragraphs(columns, size, across(turned), most)?;
            // A long list with a name broken in every other row is better turned.
            let rows = columns.first().map_or(0, |column| column.shown.len());
            let broken = lines(columns, size, &widths) > 1.5 * f64::from(count(rows));
            if !turned && rows > LIST && broken {
                return None;
            }
            Some(Layout::with(columns, size, turned, widths))
        });
        fitting.unwrap_or_else(|| {
            let widths = vec![None; columns.len()];
            let mut layout = Layout::with(columns, &SCRIPT, true, widths);
            layout.scaled = true;
            layout
        })
    }

    fn with(
        columns: &[Set],
        size: &'static Size,
        turned: bool,
        widths: Vec<Option<f64>>,
    ) -> Layout {
        let lines = lines(columns, size, &widths);
        let down = if turned { PAGE.0 } else { PAGE.1 };
        let line = across(turned);
        Layout {
            size,
            turned,
            long: lines > LINES || lines * size.line + AROUND > down,
            scaled: false,
            shares: widths.iter().map(|w| w.map(|w| w / line)).collect(),
        }
    }
}

/// As a number to compute with; a table has not that many.
fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

fn across(turned: bool) -> f64 {
    if turned { PAGE.1 } else { PAGE.0 }
}

/// Which columns must be set in paragraphs, and how wide, for all to fit; none when they do not.
fn paragraphs(columns: &[Set], size: &Size, page: f64, most: f64) -> Option<Vec<Option<f64>>> {
    let natural = |column: &Set| column.width() * size.scale * SLACK;
    let gaps = 2.0 * size.gap * f64::from(count(columns.len().saturating_sub(1)));
    let free = page - gaps;
    let total: f64 = columns.iter().map(natural).sum();
    if total <= free {
        return Some(vec![None; columns.len()]);
    }
    // What is no wider than its share stays as it is, and leaves more for the others.
    let mut wrapped: Vec<bool> = columns.iter().map(|column| column.wraps).collect();
    loop {
        let of = |yes: bool| {
            let some = columns
                .iter()
                .zip(&wrapped)
                .filter(move |(_, w)| **w == yes);
            some.map(|(column, _)| natural(column))
        };
        let wanted: f64 = of(true).sum();
        let left = free - of(false).sum::<f64>();
        let count = of(true).count();
        if count == 0 || left <= 0.0 {
            return None;
        }
        let fair = left / f64::from(self::count(count));
        let small = |(column, wrapped): (&Set, &bool)| *wrapped && natural(column) <= fair;
        if let Some(at) = columns.iter().zip(&wrapped).position(small) {
            wrapped[at] = false;
            continue;
        }
        // In proportion to what they hold, but no piece of text may stick out.
        let mut widths = Vec::new();
        for (column, wrapped) in columns.iter().zip(&wrapped) {
            let share = (left * natural(column) / wanted).max(0.5 * fair);
            let least = column.widest_piece * size.scale * SLACK;
            widths.push(wrapped.then_some((share, least, natural(column))));
        }
        let over: f64 = widths
            .iter()
            .flatten()
            .map(|(share, ..)| share)
            .sum::<f64>()
            / left;
        let widths: Vec<Option<(f64, f64, f64)>> = widths
            .into_iter()
            .map(|w| w.map(|(share, least, natural)| (share / over, least, natural)))
            .collect();
        let good =
            |(width, least, natural): &(f64, f64, f64)| least <= width && natural / width <= most;
        let fits = widths.iter().flatten().all(good);
        return fits.then(|| widths.iter().map(|w| w.map(|(width, ..)| width)).collect());
    }
}

/// Lines of all rows.
fn lines(columns: &[Set], size: &Size, widths: &[Option<f64>]) -> f64 {
    let rows = columns.first().map_or(0, |column| column.shown.len());
    let of_cell = |column: &Set, width: f64, row: usize| {
        // A broken line is not full.
        let text = column.shown.get(row).map_or(0.0, |text| self::width(text));
        (1.15 * text * size.scale / width).ceil().max(1.0)
    };
    let of_row = |row: usize| {
        let cells = columns.iter().zip(widths);
        let cells = cells.filter_map(|(column, width)| Some(of_cell(column, (*width)?, row)));
        cells.fold(1.0, f64::max)
    };
    (0..rows).map(of_row).sum()
}

impl Set {
    /// As wide as the widest of cells, head and unit, at 10 pt.
    fn width(&self) -> f64 {
        let head = self.head.iter().map(|line| width(line));
        head.fold(self.content.max(self.unit_width), f64::max)
    }

    /// The widest piece of cells and head that cannot be broken, at 10 pt.
    pub(super) fn widest_piece_of(head: &[String], shown: &[String]) -> f64 {
        let pieces = shown.iter().map(|text| widest_piece(text));
        let head = head.iter().map(|line| width(line));
        pieces.chain(head).fold(0.0, f64::max)
    }
}
