//! Tables of a page.

use super::escape::{attribute, content, text};
use crate::report::table::{Cell, Column, Kind, MARK, Table};

/// Characters of a line from which on a table is wider than a phone.
const WIDE: usize = 42;

/// Characters of a line from which on a table is wider than a printed page at its usual size.
const VERY_WIDE: usize = 96;

/// Characters of a cell from which on it is wrapped.
const LONG: usize = 34;

/// Rows up to which a table is kept on one printed page.
const SHORT: usize = 24;

/// Rows that there is an order to choose for.
const SORTABLE: usize = 3;

/// Spaces between two columns, in characters.
const GAP: usize = 3;

/// The table with its caption above and its notes below, in a box that scrolls by itself.
pub(super) fn table(table: &Table) -> String {
    let id = format!("table-{}", attribute(table.name));
    let long: Vec<bool> = (0..table.columns.len())
        .map(|at| longest(table, at) > LONG)
        .collect();
    let caption = match table.caption.is_empty() {
        true => attribute(table.name),
        false => text(&table.caption),
    };
    let (mut noted, mut notes) = (String::new(), String::new());
    if !table.notes.is_empty() {
        noted = format!(" aria-describedby=\"{id}-notes\"");
        let lines = table
            .notes
            .iter()
            .map(|note| format!("<p>{}</p>\n", text(note)));
        let lines: String = lines.collect();
        notes = format!("<div class=\"notes\" id=\"{id}-notes\">\n{lines}</div>\n");
    }
    let heads: String = table.columns.iter().map(head).collect();
    let rows = table.rows.iter().map(|cells| row(table, cells, &long));
    let rows: String = rows.collect();
    format!(
        "<div class=\"{}\" id=\"{id}\">\n\
         <div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-labelledby=\"{id}-caption\">\n\
         <table{}{noted}>\n<caption id=\"{id}-caption\"><span>{caption}</span></caption>\n\
         <thead>\n<tr>\n{heads}</tr>\n</thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n\
         <p class=\"hint\" aria-hidden=\"true\">Scroll sideways to see all of it.</p>\n\
         {notes}</div>\n",
        classes(table),
        match sortable(table) {
            true => " class=\"sortable\"",
            false => "",
        },
    )
}

fn sortable(table: &Table) -> bool {
    let numbers = table.columns.iter().any(|column| column.kind != Kind::Text);
    numbers && table.rows.len() >= SORTABLE
}

fn classes(table: &Table) -> String {
    let widths = (0..table.columns.len()).map(|at| longest(table, at).min(LONG) + GAP);
    let mut classes = match widths.sum::<usize>() {
        VERY_WIDE.. => "table wide very-wide",
        WIDE.. => "table wide",
        _ => "table",
    }
    .to_owned();
    if table.rows.len() <= SHORT {
        classes += " short";
    }
    classes
}

/// The longest cell of a column, and of its head the longest word, in characters.
fn longest(table: &Table, at: usize) -> usize {
    let words = table.columns.get(at).map(|column| column.title());
    let words = words.iter().flat_map(|title| title.split(' '));
    let cells = table.rows.iter().filter_map(|row| row.get(at));
    let cells = cells.map(|cell| cell.shown().chars().count());
    let head = words.map(|word| word.chars().count());
    cells.chain(head).max().unwrap_or(0)
}

fn head(column: &Column) -> String {
    let unit = match column.unit {
        "" => String::new(),
        unit => format!(" <span class=\"unit\">({})</span>", content(unit)),
    };
    let class = match column.kind {
        Kind::Text => "",
        Kind::Number | Kind::Interval => " class=\"number\"",
    };
    format!(
        "<th scope=\"col\"{class}>{}{unit}</th>\n",
        content(column.head)
    )
}

fn row(table: &Table, cells: &[Cell], long: &[bool]) -> String {
    let marked = cells
        .iter()
        .any(|cell| matches!(cell, Cell::Text(text) if text.contains(MARK)));
    let mut row = match marked {
        true => "<tr class=\"marked\">".to_owned(),
        false => "<tr>".to_owned(),
    };
    for (at, (cell, column)) in cells.iter().zip(&table.columns).enumerate() {
        let mut classes = Vec::new();
        if column.kind != Kind::Text {
            classes.push("number");
        }
        if long.get(at) == Some(&true) {
            classes.push("long");
        }
        if *cell == Cell::Unknown {
            classes.push("unknown");
        }
        // What a row is about.
        let (tag, mut attributes) = match at == 0 && column.kind == Kind::Text {
            true => ("th", " scope=\"row\"".to_owned()),
            false => ("td", String::new()),
        };
        if !classes.is_empty() {
            attributes += &format!(" class=\"{}\"", classes.join(" "));
        }
        if let Some(key) = key(cell, column.kind) {
            attributes += &format!(" data-value=\"{}\"", attribute(&key));
        }
        row += &format!("<{tag}{attributes}>{}</{tag}>", content(&cell.shown()));
    }
    row + "</tr>\n"
}

/// What a cell is sorted by, where that is not what it shows.
fn key(cell: &Cell, kind: Kind) -> Option<String> {
    let number = |value: f64| match value {
        f64::INFINITY => Some("Infinity".to_owned()),
        f64::NEG_INFINITY => Some("-Infinity".to_owned()),
        value if value.is_nan() => None,
        value => Some(value.to_string()),
    };
    match cell {
        Cell::Number(value) => number(value.value),
        Cell::Interval(low, _) => number(low.value),
        Cell::BeyondTimeout => number(f64::INFINITY),
        Cell::Text(text) => {
            let bare = text.trim_start_matches(MARK).trim();
            match kind {
                Kind::Text => (bare != text).then(|| bare.to_owned()),
                Kind::Number | Kind::Interval => {
                    bare.replace(',', "").parse().ok().and_then(number)
                }
            }
        }
        Cell::Unknown => None,
    }
}
