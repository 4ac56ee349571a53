//! Values as people write them, for serde, with their bounds.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize as _, Serializer};
use telegraft_cluster::http::MAX_LIMIT;

use crate::body;
use crate::values::{self, parse_count, parse_duration, parse_size};

/// Closed-loop clients: each has a connection, and a process has some ten thousand of them.
pub(super) const MAX_CLIENTS: usize = 10_000;
/// Bytes of a message: what the interface takes (64 KiB) holds it with everything around it.
const MAX_MESSAGE_BYTES: u64 = 60 << 10;
/// Users or rooms: each is a write before the load begins.
const MAX_POPULATION: u64 = 100_000;
/// Messages in a room before the load begins.
const MAX_PREFILL: u64 = 100_000;
/// More says nothing that a smaller one does not.
const MAX_WEIGHT: u64 = 1_000_000;

/// A number, or text that `parse` reads.
struct Number {
    parse: fn(&str) -> Result<u64, String>,
}

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, as 64 or \"10k\"")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value).map_err(|_| E::custom(format!("{value} is negative")))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

/// A number within bounds.
fn within<'de, D: Deserializer<'de>>(
    deserializer: D,
    parse: fn(&str) -> Result<u64, String>,
    what: &str,
    least: u64,
    most: u64,
) -> Result<u64, D::Error> {
    let number = deserializer.deserialize_any(Number { parse })?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        let message = format!("{number} is out of bounds: {what} {least} to {most}");
        Err(de::Error::custom(message))
    }
}

fn count<'de, D: Deserializer<'de>>(
    deserializer: D,
    what: &str,
    least: u64,
    most: u64,
) -> Result<usize, D::Error> {
    let number = within(deserializer, parse_count, what, least, most)?;
    Ok(usize::try_from(number).expect("the bounds fit"))
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(de::Error::custom)
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
pub(super) fn duration_text<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&values::duration_text(*duration))
}

pub(super) fn clients<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count(deserializer, "there are", 1, MAX_CLIENTS as u64)
}

pub(super) fn message_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let least = body::MIN_BYTES as u64;
    let what = "a message (which carries its id) has";
    let bytes = within(deserializer, parse_size, what, least, MAX_MESSAGE_BYTES)?;
    Ok(usize::try_from(bytes).expect("the bounds fit"))
}

pub(super) fn population<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count(deserializer, "there are", 1, MAX_POPULATION)
}

pub(super) fn prefill<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count(deserializer, "a room begins with", 0, MAX_PREFILL)
}

pub(super) fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let what = "leave the operation out, or give it a weight from";
    let weight = within(deserializer, parse_count, what, 1, MAX_WEIGHT)?;
    Ok(u32::try_from(weight).expect("the bounds fit"))
}

pub(super) fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count(deserializer, "a page has", 1, MAX_LIMIT as u64)
}
