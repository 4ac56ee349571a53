//! A TOML file as a tree in which everything knows its place, so that whatever is wrong can be
//! said with its line.
//!
//! (serde would lose the places wherever one key decides what another one means.)

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::names::did_you_mean;
use crate::values::{self, parse_count, parse_duration, parse_size};

/// Something is wrong at a byte of the text.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Which byte.
    pub(super) at: usize,
    /// What is wrong, and what would be right.
    pub(super) message: String,
}

/// A table: the file itself, or one within it.
pub(super) struct Table<'a> {
    /// Its name with those of the tables around it: empty for the file itself.
    path: String,
    /// Where it begins.
    pub(super) at: usize,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The file itself.
    pub(super) fn root(document: &'a Spanned<DeTable<'a>>) -> Table<'a> {
        Table {
            path: String::new(),
            at: 0,
            entries: document.get_ref(),
        }
    }

    /// Something is wrong with the table as a whole.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Wrong {
        let at = self.at;
        let message = message.into();
        Wrong { at, message }
    }

    /// Its keys with their places, in the order of the alphabet.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&'a str, usize)> + use<'a> {
        let keys = self.entries.keys();
        keys.map(|key| (key.get_ref().as_ref(), key.span().start))
    }

    /// Its values, with their keys.
    pub(super) fn items(&self) -> impl Iterator<Item = (&'a str, Item<'a>)> + use<'a, '_> {
        let entries = self.entries.iter();
        entries.map(|(key, value)| (key.get_ref().as_ref(), self.item(key.get_ref(), value)))
    }

    /// Refuses keys other than `known`.
    ///
    /// # Errors
    /// The first of them in the file, with what it may have been meant to be.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Wrong> {
        let unknown = self.keys().filter(|(key, _)| !known.contains(key));
        let Some((key, at)) = unknown.min_by_key(|(_, at)| *at) else {
            return Ok(());
        };
        let near = did_you_mean(key, known.iter().copied());
        let stop = if near.is_empty() { "." } else { "" };
        let known = known.join(", ");
        let place = if self.path.is_empty() {
            "here".to_owned()
        } else {
            format!("in [{}]", self.path)
        };
        Err(Wrong {
            at,
            message: format!("unknown key {key:?}{near}{stop} Known {place}: {known}"),
        })
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Item<'a>> {
        let value = self.entries.get(key)?;
        Some(self.item(key, value))
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// It is not; `example` shows what to write.
    pub(super) fn need(&self, key: &str, example: &str) -> Result<Item<'a>, Wrong> {
        self.get(key).ok_or_else(|| {
            let place = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in [{}]", self.path)
            };
            self.wrong(format!("missing `{key}`{place}: as {example}"))
        })
    }

    /// What a key is called with the tables around it.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn item(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        Item {
            path: self.path_of(key),
            at: value.span().start,
            value: value.get_ref(),
        }
    }
}

/// A value.
pub(super) struct Item<'a> {
    /// Its key with the tables around it.
    path: String,
    /// Where it begins.
    pub(super) at: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Item<'a> {
    /// Something is wrong with it.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Wrong {
        let at = self.at;
        let message = message.into();
        Wrong { at, message }
    }

    /// Something is wrong with it, said after its name and the value as it is written.
    fn refused(&self, why: impl Display) -> Wrong {
        self.wrong(format!("{} = {}: {why}", self.path, self.shown()))
    }

    /// Its text cannot be read; `why` begins with that text.
    fn unread(&self, why: impl Display) -> Wrong {
        self.wrong(format!("{}: {why}", self.path))
    }

    /// It is of another type; `what` was wanted, said with an example.
    pub(super) fn wanted(&self, what: &str) -> Wrong {
        self.wrong(format!("{} takes {what}, not {}", self.path, self.shown()))
    }

    /// The value for messages, cut short.
    fn shown(&self) -> String {
        const LETTERS: usize = 40;
        let cut = |text: &str| match text.char_indices().nth(LETTERS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        match self.value {
            DeValue::String(text) => format!("{:?}", cut(text)),
            DeValue::Integer(number) => cut(&number.to_string()),
            DeValue::Float(number) => cut(number.as_str()),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(list) if list.is_empty() => "an empty list".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }

    /// Text.
    pub(super) fn text(&self, what: &str) -> Result<&'a str, Wrong> {
        self.value.as_str().ok_or_else(|| self.wanted(what))
    }

    /// The text, if it is one.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// Whether it is of a type in which numbers are written.
    pub(super) fn is_number_or_text(&self) -> bool {
        self.value.is_integer() || self.value.is_str()
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// A table.
    pub(super) fn table(&self, what: &str) -> Result<Table<'a>, Wrong> {
        match self.value {
            DeValue::Table(entries) => Ok(Table {
                path: self.path.clone(),
                at: self.at,
                entries,
            }),
            _ => Err(self.wanted(what)),
        }
    }

    /// A table with exactly one key, of those that are `known`.
    pub(super) fn choice(&self, known: &[&str], what: &str) -> Result<(&'a str, Item<'a>), Wrong> {
        let table = self.table(what)?;
        table.only(known)?;
        let mut items = table.items();
        match (items.next(), items.next()) {
            (Some(item), None) => Ok(item),
            _ => Err(self.wrong(format!("{} takes one thing: {what}", self.path))),
        }
    }

    /// A list of one to `most` values.
    pub(super) fn list(&self, most: usize, example: &str) -> Result<Vec<Item<'a>>, Wrong> {
        let DeValue::Array(list) = self.value else {
            return Err(self.wanted(&format!("a list, as {example}")));
        };
        if list.is_empty() {
            return Err(self.wrong(format!(
                "{} is empty: name at least one, as {example}",
                self.path
            )));
        }
        if list.len() > most {
            let path = &self.path;
            return Err(self.wrong(format!("{path} has {} values: at most {most}", list.len())));
        }
        let items = list.iter().map(|value| Item {
            path: self.path.clone(),
            at: value.span().start,
            value: value.get_ref(),
        });
        Ok(items.collect())
    }

    /// Two values.
    pub(super) fn pair(&self, what: &str) -> Result<[Item<'a>; 2], Wrong> {
        if !self.value.is_array() {
            return Err(self.wanted(what));
        }
        let items = self.list(usize::MAX, what)?;
        let count = items.len();
        <[Item<'a>; 2]>::try_from(items)
            .map_err(|_| self.wrong(format!("{} takes {what}, not {count} of them", self.path)))
    }

    /// A whole number within bounds: a number, or text that `parse` reads.
    fn whole(
        &self,
        bounds: RangeInclusive<u64>,
        parse: fn(&str) -> Result<u64, String>,
        example: &str,
        why: &str,
    ) -> Result<u64, Wrong> {
        let number = match self.value {
            DeValue::Integer(number) => {
                if number.as_str().starts_with('-') {
                    return Err(self.refused("it is negative"));
                }
                // One that does not fit is above every bound.
                u64::from_str_radix(number.as_str(), number.radix()).ok()
            }
            DeValue::String(text) => {
                let number = parse(text).map_err(|why| self.unread(why))?;
                Some(number)
            }
            _ => return Err(self.wanted(example)),
        };
        number
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                let (least, most) = bounds.into_inner();
                self.refused(format!("it is out of bounds, {least} to {most}{why}"))
            })
    }

    /// A count within bounds; `why` follows them in the message.
    pub(super) fn count(&self, bounds: RangeInclusive<u64>, why: &str) -> Result<u64, Wrong> {
        self.whole(bounds, parse_count, "a count, as 64 or \"10k\"", why)
    }

    /// A count that is a place in memory.
    pub(super) fn places(&self, bounds: RangeInclusive<usize>, why: &str) -> Result<usize, Wrong> {
        let (least, most) = bounds.into_inner();
        let count = self.count(least as u64..=most as u64, why)?;
        Ok(usize::try_from(count).expect("the bounds fit"))
    }

    /// A size in bytes, within bounds.
    pub(super) fn bytes(&self, bounds: RangeInclusive<usize>, why: &str) -> Result<usize, Wrong> {
        let (least, most) = bounds.into_inner();
        let bounds = least as u64..=most as u64;
        let bytes = self.whole(bounds, parse_size, "a size, as 128 or \"1KiB\"", why)?;
        Ok(usize::try_from(bytes).expect("the bounds fit"))
    }

    /// A duration, within bounds.
    pub(super) fn duration(&self, bounds: RangeInclusive<Duration>) -> Result<Duration, Wrong> {
        let text = match self.value {
            DeValue::String(text) => text,
            DeValue::Integer(_) | DeValue::Float(_) => {
                return Err(self.wanted("a duration with its unit, as \"500ms\" or \"10s\""));
            }
            _ => return Err(self.wanted("a duration, as \"500ms\" or \"10s\"")),
        };
        let duration = parse_duration(text).map_err(|why| self.unread(why))?;
        if bounds.contains(&duration) {
            return Ok(duration);
        }
        let (least, most) = bounds.into_inner();
        let [least, most] = [least, most].map(values::duration_text);
        Err(self.refused(format!("it is out of bounds, {least} to {most}")))
    }

    /// A finite number, fractions too, within bounds; `why` follows them in the message.
    pub(super) fn number(&self, bounds: RangeInclusive<f64>, why: &str) -> Result<f64, Wrong> {
        let number = match self.value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            // Numbers beyond 2^53, which would be rounded, are above every bound.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(|number| number as f64),
            DeValue::String(text) => {
                let number = parse_count(text).map_err(|why| self.unread(why))?;
                Some(number as f64)
            }
            _ => return Err(self.wanted("a number, as 0.5 or 100 or \"10k\"")),
        };
        // Not a number is within no bounds.
        number
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                let (least, most) = bounds.into_inner();
                self.refused(format!("it is out of bounds, {least} to {most}{why}"))
            })
    }

    /// A share of a whole.
    pub(super) fn share(&self) -> Result<f64, Wrong> {
        self.number(0.0..=1.0, ": a share of all, as 0.9 for 90 %")
    }

    /// The value that its text names; `what` is what the names are names of.
    pub(super) fn named<T: Copy>(&self, what: &str, all: &[(&str, T)]) -> Result<T, Wrong> {
        let names = all.iter().map(|(name, _)| *name);
        let joined = names.clone().collect::<Vec<_>>().join(", ");
        let text = self.text(&format!("one of {joined}"))?;
        let found = all.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let near = did_you_mean(text, names);
            let stop = if near.is_empty() { "." } else { "" };
            let shown = self.shown();
            self.wrong(format!(
                "unknown {what} {shown}{near}{stop} There are {joined}"
            ))
        })
    }
}
