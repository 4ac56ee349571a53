//! Lines of a CSV file, none of them longer than a row of ours can be.

use std::io::{self, BufRead, Read as _};

/// The longest line that is read, in bytes: a hundred times what the longest rows take.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// The most lines of one row: with text in quotation marks that has line breaks in it.
const MAX_ROW_LINES: usize = 16;

/// What a row is written in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// With the end of the line.
    Whole(&'a [u8]),
    /// More than [`MAX_LINE_BYTES`]; it is passed over.
    TooLong,
    /// It has no end: the file's last, half-written.
    Torn,
    /// A quotation mark in it is not closed in the lines that follow. These are read anew.
    Unclosed,
}

/// Reads lines, and those that belong together because of quotation marks as one.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: Again<R>,
    number: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Lines {
            reader: Again {
                held: Vec::new(),
                read: 0,
                reader,
            },
            number: 0,
            text: Vec::new(),
        }
    }

    /// The next line with its number, from 1; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.text.clear();
        let number = self.number + 1;
        let found = match self.more(MAX_LINE_BYTES)? {
            More::End => return Ok(None),
            More::Torn => Line::Torn,
            More::TooLong => {
                self.pass_over()?;
                Line::TooLong
            }
            More::Line => match self.close()? {
                true => Line::Whole(&self.text),
                false => Line::Unclosed,
            },
        };
        Ok(Some((number, found)))
    }

    /// Reads on until every quotation mark is closed, or puts back what is behind this line.
    fn close(&mut self) -> io::Result<bool> {
        let quotes = |text: &[u8]| text.iter().filter(|byte| **byte == b'"').count();
        if quotes(&self.text).is_multiple_of(2) {
            return Ok(true);
        }
        let (first, number) = (self.text.len(), self.number);
        for _ in 1..MAX_ROW_LINES {
            let room = MAX_LINE_BYTES.saturating_sub(self.text.len());
            if !matches!(self.more(room)?, More::Line) {
                break;
            }
            if quotes(&self.text).is_multiple_of(2) {
                return Ok(true);
            }
        }
        self.reader.put_back(&self.text[first..]);
        self.number = number;
        Ok(false)
    }

    /// Appends a line of at most `room` bytes.
    fn more(&mut self, room: usize) -> io::Result<More> {
        let before = self.text.len();
        (&mut self.reader)
            .take(room as u64)
            .read_until(b'\n', &mut self.text)?;
        let read = self.text.len() - before;
        if read > 0 && self.text.ends_with(b"\n") {
            self.number += 1;
            return Ok(More::Line);
        }
        Ok(match read {
            0 if self.reader.fill_buf()?.is_empty() => More::End,
            read if read < room => More::Torn,
            _ if self.reader.fill_buf()?.is_empty() => More::Torn,
            _ => More::TooLong,
        })
    }

    /// Reads up to the end of the line and forgets it.
    fn pass_over(&mut self) -> io::Result<()> {
        loop {
            let found = self.reader.fill_buf()?;
            let end = found.iter().position(|byte| *byte == b'\n');
            let passed = end.map_or(found.len(), |end| end + 1);
            self.reader.consume(passed);
            if end.is_some() || passed == 0 {
                self.number += 1;
                return Ok(());
            }
        }
    }
}

/// What was read of one more line.
enum More {
    Line,
    Torn,
    TooLong,
    End,
}

/// A reader that can be given back what was read.
#[derive(Debug)]
struct Again<R> {
    held: Vec<u8>,
    /// How many bytes of these were read.
    read: usize,
    reader: R,
}

impl<R> Again<R> {
    fn put_back(&mut self, bytes: &[u8]) {
        let mut held = bytes.to_vec();
        held.extend_from_slice(&self.held[self.read..]);
        self.held = held;
        self.read = 0;
    }
}

impl<R: BufRead> io::Read for Again<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let found = self.fill_buf()?;
        let count = found.len().min(into.len());
        into[..count].copy_from_slice(&found[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Again<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.held.get(self.read..).filter(|held| !held.is_empty()) {
            Some(held) => Ok(held),
            None => self.reader.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        if self.read < self.held.len() {
            self.read += count;
        } else {
            self.reader.consume(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u64, String)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(3, text));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().expect("memory can be read") {
            let text = match line {
                Line::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                other => format!("{other:?}"),
            };
            all.push((number, text));
        }
        all
    }

    fn expected(lines: &[(u64, &str)]) -> Vec<(u64, String)> {
        let owned = |(number, text): &(u64, &str)| (*number, (*text).to_owned());
        lines.iter().map(owned).collect()
    }

    #[test]
    fn quoted_line_breaks_belong_to_a_row() {
        let text = b"a,b\r\n1,\"x\ny\"\n\n2,z\n3";
        let found = [
            (1, "a,b\r\n"),
            (2, "1,\"x\ny\"\n"),
            (4, "\n"),
            (5, "2,z\n"),
            (6, "Torn"),
        ];
        assert_eq!(all(text), expected(&found));
        assert_eq!(all(b""), []);
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_costs_its_line_alone() {
        assert_eq!(
            all(b"1\n2\"\n3\n4\n"),
            expected(&[(1, "1\n"), (2, "Unclosed"), (3, "3\n"), (4, "4\n")])
        );
        assert_eq!(all(b"1\"\n2"), expected(&[(1, "Unclosed"), (2, "Torn")]));
        let far = format!("1\"\n{}\"\n9\n", "2\n".repeat(MAX_ROW_LINES));
        let found = all(far.as_bytes());
        let unclosed: Vec<u64> = found
            .iter()
            .filter(|(_, text)| text == "Unclosed")
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(unclosed, [1, 18]);
        assert_eq!(found.len(), MAX_ROW_LINES + 3);
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let long = "x".repeat(MAX_LINE_BYTES);
        let text = format!("1\n{long}\n3\n");
        assert_eq!(
            all(text.as_bytes()),
            expected(&[(1, "1\n"), (2, "TooLong"), (3, "3\n")])
        );
        let just = format!("{}\n3\n", &long[1..]);
        assert_eq!(all(just.as_bytes()).len(), 2);
        assert_eq!(all(&long.as_bytes()[1..]), expected(&[(1, "Torn")]));
        assert_eq!(
            all(format!("{long}x").as_bytes()),
            expected(&[(1, "TooLong")])
        );
    }
}
