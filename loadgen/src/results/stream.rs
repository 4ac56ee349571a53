//! The CSV files read row by row, in bounded memory, whatever stands in them.
//!
//! What is wrong with a row costs that row alone: a later version, too.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use super::SCHEMA_VERSION;
use super::error::{Problem, ResultsError, newer};
use super::lines::{Line, Lines, MAX_LINE_BYTES};
use super::table::{Row, RowError, row};

/// Problems of one file that are told one by one.
const MAX_PROBLEMS: usize = 20;

/// Of these, those with the same reason.
const MAX_ALIKE: usize = 3;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// A row of a file with millions of them, which is read without copying its text.
pub trait Scan: Row {
    /// The row, its text borrowed.
    type Ref<'a>;

    /// Takes every field in the order of [`Row::COLUMNS`], and makes the checks of
    /// [`Row::check`]. None where one is not plainly what it should be: then the row is read
    /// as those of other files are, which tells what is wrong with it.
    fn scan<'a>(fields: &mut Fields<'a, '_>) -> Option<Self::Ref<'a>>;

    /// The same of a row that was read in that other way.
    fn borrowed(&self) -> Self::Ref<'_>;
}

/// The fields of one row, taken one after the other in the order of [`Row::COLUMNS`].
#[derive(Debug)]
pub struct Fields<'a, 'h> {
    fields: &'h [&'a str],
    /// Where the columns that were not taken yet stand in the file, if they do.
    columns: std::slice::Iter<'h, Option<usize>>,
}

impl<'a> Fields<'a, '_> {
    /// The next; empty where the file lacks the column.
    pub fn text(&mut self) -> Option<&'a str> {
        match self.columns.next()? {
            Some(at) => self.fields.get(*at).copied(),
            None => Some(""),
        }
    }

    /// The next, a whole number.
    pub fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        self.text()?.parse().ok()
    }

    /// The next, a whole number, or 0 where the file lacks the column.
    pub fn number_or_lacking<N: std::str::FromStr + Default>(&mut self) -> Option<N> {
        match self.columns.as_slice().first()? {
            Some(_) => self.number(),
            None => {
                self.columns.next();
                Some(N::default())
            }
        }
    }

    /// The next, a whole number or empty.
    pub fn optional<N: std::str::FromStr>(&mut self) -> Option<Option<N>> {
        match self.text()? {
            "" => Some(None),
            number => number.parse().ok().map(Some),
        }
    }

    /// The next, a measurement or empty.
    pub fn measured(&mut self) -> Option<Option<f64>> {
        let value: Option<f64> = self.optional()?;
        value
            .is_none_or(|value| value.is_finite() && value >= 0.0)
            .then_some(value)
    }
}

/// The first line of a file.
struct Head {
    names: csv::StringRecord,
    version: Option<usize>,
    /// For each of [`Row::COLUMNS`], where it stands.
    columns: Vec<Option<usize>>,
}

/// What was left out of a file: the first problems, and how many more.
struct Problems {
    file: &'static str,
    kept: Vec<Problem>,
    more: u64,
}

impl Problems {
    fn tell(&mut self, line: u64, reason: String) {
        let alike = self.kept.iter().filter(|kept| kept.reason == reason);
        if self.kept.len() >= MAX_PROBLEMS || alike.count() >= MAX_ALIKE {
            self.more += 1;
            return;
        }
        self.kept.push(Problem {
            file: self.file.to_owned(),
            line: Some(line),
            reason,
        });
    }

    fn finish(mut self) -> Vec<Problem> {
        if self.more > 0 {
            self.kept.push(Problem {
                file: self.file.to_owned(),
                line: None,
                reason: format!("{} more lines like these", self.more),
            });
        }
        self.kept
    }
}

/// Gives every good row to `each`, with the line that it begins at.
pub(super) fn for_each<T: Row>(
    directory: &Path,
    mut each: impl FnMut(u64, T),
) -> Result<Vec<Problem>, ResultsError> {
    records::<T>(directory, |head, line, text| {
        each(line, parsed(head, line, text)?);
        Ok(())
    })
}

/// As [`for_each`], without copying.
pub(super) fn for_each_ref<T: Scan>(
    directory: &Path,
    mut each: impl FnMut(u64, T::Ref<'_>),
) -> Result<Vec<Problem>, ResultsError> {
    // One row's fields, which are empty between rows.
    let mut room: Vec<&str> = Vec::new();
    records::<T>(directory, |head, line, text| {
        let mut fields = reuse(std::mem::take(&mut room));
        if !text.contains('"') {
            fields.extend(text.split(','));
            let mut of_row = Fields {
                fields: &fields,
                columns: head.columns.iter(),
            };
            let fits = fields.len() == head.names.len();
            if let Some(row) = fits.then(|| T::scan(&mut of_row)).flatten() {
                each(line, row);
                room = reuse(fields);
                return Ok(());
            }
        }
        room = reuse(fields);
        let row: T = parsed(head, line, text)?;
        each(line, row.borrowed());
        Ok(())
    })
}

/// The room of a vector, for texts that live shorter or longer (its iterator is collected in
/// place).
fn reuse<'b>(mut texts: Vec<&str>) -> Vec<&'b str> {
    texts.clear();
    texts.into_iter().map(|_| "").collect()
}

/// Gives every record behind the head to `take`, without the end of its line.
fn records<T: Row>(
    directory: &Path,
    mut take: impl FnMut(&Head, u64, &str) -> Result<(), String>,
) -> Result<Vec<Problem>, ResultsError> {
    let path = directory.join(T::FILE);
    let mut lines = Lines::new(BufReader::with_capacity(
        BUFFER_BYTES,
        open(T::FILE, &path)?,
    ));
    let failed = |error| ResultsError::io("read", &path)(error);
    let head = match lines.next().map_err(&failed)? {
        Some((_, Line::Whole(bytes))) => head::<T>(bytes),
        Some((_, Line::Torn)) => Err("its head is half-written".to_owned()),
        Some((_, Line::TooLong)) => Err(too_long()),
        Some((_, Line::Unclosed)) => Err(UNCLOSED.to_owned()),
        None => Err("it is empty".to_owned()),
    };
    let head = head.map_err(|reason| ResultsError::unreadable(T::FILE, Some(1), reason))?;
    let mut problems = Problems {
        file: T::FILE,
        kept: Vec::new(),
        more: 0,
    };
    while let Some((line, found)) = lines.next().map_err(&failed)? {
        let result = match found {
            Line::Whole(bytes) => text(bytes).and_then(|text| match text {
                // As in other readers of CSV files.
                "" => Ok(()),
                text => take(&head, line, text),
            }),
            Line::TooLong => Err(too_long()),
            Line::Unclosed => Err(UNCLOSED.to_owned()),
            Line::Torn => {
                Err("the last line is half-written: its writer was interrupted".to_owned())
            }
        };
        if let Err(reason) = result {
            problems.tell(line, reason);
        }
    }
    Ok(problems.finish())
}

const UNCLOSED: &str = "a quotation mark in it is not closed";

fn too_long() -> String {
    format!("it is longer than {} KiB", MAX_LINE_BYTES / 1024)
}

/// Opens a file, and no pipe or device, at which reading could wait for ever.
fn open(file: &str, path: &Path) -> Result<File, ResultsError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => ResultsError::unreadable(file, None, "there is no such file"),
        _ => ResultsError::io("read", path)(error),
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ResultsError::unreadable(
            file,
            None,
            "it is no regular file",
        ));
    }
    File::open(path).map_err(failed)
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes
        .iter()
        .any(|byte| *byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n'))
    {
        return Err("it has a NUL byte or another control character".to_owned());
    }
    std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

fn head<T: Row>(bytes: &[u8]) -> Result<Head, String> {
    let names = split(text(bytes)?.trim_start_matches('\u{feff}'))?;
    let place = |column: &str| -> Result<Option<usize>, String> {
        let mut found = (0..).zip(&names).filter(|(_, name)| *name == column);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(format!("there are two columns {column}")),
            (first, _) => Ok(first.map(|(at, _)| at)),
        }
    };
    let mut columns = Vec::new();
    for column in T::COLUMNS {
        let found = place(column)?;
        if found.is_none() && !T::OPTIONAL.contains(column) {
            return Err(format!("there is no column {column}"));
        }
        columns.push(found);
    }
    Ok(Head {
        version: place("schema_version")?,
        columns,
        names,
    })
}

/// One record, which may hold line breaks in quotation marks.
fn split(text: &str) -> Result<csv::StringRecord, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(text.len().max(1))
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let read = reader.read_record(&mut record);
    let another = read.as_ref().is_ok_and(|read| *read) && reader.position().byte() < len(text);
    match read {
        Ok(_) if another => Err("there is a line break in it".to_owned()),
        Ok(_) => Ok(record),
        Err(error) => Err(error.to_string()),
    }
}

fn len(text: &str) -> u64 {
    text.len() as u64
}

fn parsed<T: Row>(head: &Head, line: u64, text: &str) -> Result<T, String> {
    let record = split(text)?;
    let version = head.version.and_then(|at| record.get(at));
    if let Some(version) = version.filter(|version| {
        version
            .parse::<u64>()
            .is_ok_and(|version| version > u64::from(SCHEMA_VERSION))
    }) {
        return Err(newer(version));
    }
    row(&head.names, &record, line).map_err(|error| match error {
        RowError::Bad(reason) => reason,
        RowError::Newer(error) => error.to_string(),
    })
}

#[cfg(test)]
mod tests;
