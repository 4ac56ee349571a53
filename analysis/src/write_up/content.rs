//! What markers ask for.

use super::Link;
use super::markers::Kind;
use crate::report::document::{Block, Document, Figure, Section};
use crate::report::table::{Cell, Kind as ColumnKind, MARK, Table};
use crate::report::text::{Text, escape};

/// Names that are told where one is not known.
const TOLD: usize = 40;

/// The content, as Markdown.
///
/// # Errors
/// When there is nothing of that name, with the names that there are, or nothing to link to.
pub(super) fn content(
    document: &Document,
    kind: Kind,
    name: &str,
    link: &Link<'_>,
) -> Result<String, String> {
    match kind {
        Kind::Table => Ok(table(document, name)?.markdown_with_caption()),
        Kind::Figure => figure(document, name, link),
        Kind::Findings => findings(document, name),
        Kind::Value => value(document, name),
    }
}

fn table<'a>(document: &'a Document, name: &str) -> Result<&'a Table, String> {
    let tables = document.tables();
    let found = tables.iter().find(|table| table.name == name);
    found.copied().ok_or_else(|| {
        let names = tables.iter().map(|table| table.name.to_owned());
        unknown("table", name, names.collect())
    })
}

fn figure(document: &Document, name: &str, link: &Link<'_>) -> Result<String, String> {
    let figures = document.figures();
    let found: Option<&&Figure> = figures.iter().find(|figure| figure.name == name);
    let figure = found.ok_or_else(|| {
        let names = figures.iter().map(|figure| figure.name.clone());
        unknown("figure", name, names.collect())
    })?;
    let picture = format!(
        "![{}]({})",
        escape(&figure.alt).replace(']', "\\]"),
        link(name)?
    );
    let caption = figure.caption.markdown();
    Ok(format!(
        "{picture}\n\n*{}.* {caption}",
        escape(figure.title.trim_end_matches('.'))
    ))
}

/// The items of a section's own lists, what must not be overlooked first.
fn findings(document: &Document, anchor: &str) -> Result<String, String> {
    let mut all = Vec::new();
    collect(&document.sections, &mut all);
    let found = all.iter().find(|(known, _)| *known == anchor);
    let (_, items) = found.ok_or_else(|| {
        let names = all.iter().map(|(anchor, _)| (*anchor).to_owned());
        unknown("section with findings", anchor, names.collect())
    })?;
    Ok(items.join("\n"))
}

/// As Markdown, by anchor.
fn collect<'a>(sections: &'a [Section], all: &mut Vec<(&'a str, Vec<String>)>) {
    let item = |text: &Text| format!("- {}", text.markdown());
    let marked = |text: &Text| {
        let text = text.markdown();
        match text.starts_with(MARK) {
            true => format!("- {text}"),
            false => format!("- {MARK} {text}"),
        }
    };
    for section in sections {
        let (mut items, mut list) = (Vec::new(), Vec::new());
        for block in &section.blocks {
            match block {
                Block::Warnings(texts) => items.extend(texts.iter().map(marked)),
                Block::List(texts) => list.extend(texts.iter().map(item)),
                _ => {}
            }
        }
        items.append(&mut list);
        if !items.is_empty() {
            all.push((section.anchor, items));
        }
        collect(&section.sections, all);
    }
}

/// A cell: `TABLE/ROW/COLUMN`.
fn value(document: &Document, key: &str) -> Result<String, String> {
    let parts = key.split_once('/').and_then(|(table, rest)| {
        let (row, column) = rest.rsplit_once('/')?;
        Some((table, row, column))
    });
    let Some((name, row, column)) = parts else {
        return Err(format!("`{key}` is no TABLE/ROW/COLUMN"));
    };
    let table = table(document, name)?;
    let at = table.columns.iter().position(|known| known.key == column);
    let at = at.ok_or_else(|| {
        let names = table.columns.iter().map(|column| column.key.to_owned());
        unknown(
            &format!("column of the table `{name}`"),
            column,
            names.collect(),
        )
    })?;
    let wanted = normal(row);
    let begins = |key: &String| {
        let rest = key.strip_prefix(&wanted);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let keys: Vec<String> = table.rows.iter().map(|row| row_key(table, row)).collect();
    let found = keys
        .iter()
        .map(|key| normal(key))
        .position(|key| begins(&key));
    let found = found.ok_or_else(|| unknown(&format!("row of the table `{name}`"), row, keys))?;
    Ok(match &table.rows[found][at] {
        Cell::Interval(low, high) => format!("\\[{low}, {high}\\]"),
        cell => escape(&cell.shown()),
    })
}

/// The cells before the first number, as far as they are text, without marks.
fn row_key(table: &Table, row: &[Cell]) -> String {
    let cells = table.columns.iter().zip(row);
    let text = cells.take_while(|(column, _)| column.kind == ColumnKind::Text);
    let cells = text.map(|(_, cell)| cell.shown().replace(MARK, "").trim().to_owned());
    cells.collect::<Vec<String>>().join("/")
}

/// As keys are compared.
fn normal(key: &str) -> String {
    key.trim().replace('×', "x")
}

fn unknown(what: &str, name: &str, mut known: Vec<String>) -> String {
    let more = known.len().saturating_sub(TOLD);
    known.truncate(TOLD);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match known.is_empty() {
        true => format!("there is no {what} `{name}`; there is none at all"),
        false => format!(
            "there is no {what} `{name}`; there are {}{more}",
            known.join(", ")
        ),
    }
}
