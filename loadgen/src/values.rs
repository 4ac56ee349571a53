//! Durations, sizes and counts as people write them: `500ms`, `64KiB`, `10k`.
//!
//! The command line and the workload files share these, so that a value can be copied from one
//! to the other.

use std::time::Duration;

/// Units of durations, in nanoseconds.
const DURATIONS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3600 * 1_000_000_000),
];

/// Units of sizes, in bytes. `K` alone is left out: it is read as either.
const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// Units of counts.
const COUNTS: [(&str, u64); 4] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
];

/// A duration: `250us`, `500ms`, `10s`, `1.5s`, `2m`, `1h`. The unit is needed.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(
        text,
        &DURATIONS,
        "a duration is written as 500ms, 10s or 2m",
    )
    .map(Duration::from_nanos)
}

/// A size in bytes: `128`, `512B`, `64KiB`, `1.5MiB`, `10MB`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZES, "a size is written as 128, 64KiB or 10MB")
}

/// A count: `64`, `10k`, `1.5M`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_count(text: &str) -> Result<u64, String> {
    parse(text, &COUNTS, "a count is written as 64, 10k or 1.5M")
}

/// The shortest text that [`parse_duration`] reads as `duration` again.
pub fn duration_text(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let (unit, size) = ["h", "m", "s", "ms", "us", "ns"]
        .iter()
        .filter_map(|unit| DURATIONS.iter().find(|(name, _)| name == unit))
        .find(|(_, size)| nanos.is_multiple_of(u128::from(*size)))
        .expect("every duration is a number of nanoseconds");
    format!("{}{unit}", nanos / u128::from(*size))
}

/// The shortest text in binary units that [`parse_size`] reads as `bytes` again.
pub fn size_text(bytes: u64) -> String {
    for unit in ["GiB", "MiB", "KiB"] {
        let size = SIZES.iter().find(|(name, _)| *name == unit);
        let size = size.expect("these are among the units").1;
        if bytes > 0 && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

/// A number, its fraction if it has one, and a unit, exactly.
fn parse(text: &str, units: &[(&str, u64)], help: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed =
        !whole.is_empty() && digits(fraction) && fraction.is_empty() != number.contains('.');
    if !well_formed {
        return Err(format!("{text:?} is not a number with a unit: {help}"));
    }
    let unit = unit.trim_start();
    let Some((_, size)) = units.iter().find(|(name, _)| *name == unit) else {
        let known: Vec<&str> = units
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !name.is_empty())
            .collect();
        let known = known.join(", ");
        return Err(if unit.is_empty() {
            format!("{text:?} has no unit ({known}): {help}")
        } else {
            format!("{text:?} has the unknown unit {unit:?} (there are {known}): {help}")
        });
    };
    exactly(whole, fraction, *size).map_err(|why| format!("{text:?} {why}: {help}"))
}

/// `whole.fraction` times `size`, if that is a whole number that fits.
fn exactly(whole: &str, fraction: &str, size: u64) -> Result<u64, &'static str> {
    let fraction = fraction.trim_end_matches('0');
    // No unit has more than fifteen decimal places (an hour in nanoseconds has fourteen).
    let places = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
    if places > 15 {
        return Err("has more decimal places than its unit");
    }
    let scale = 10_u128.pow(places);
    let number: u128 = format!("{whole}{fraction}")
        .parse()
        .map_err(|_| "is too large")?;
    let scaled = number.checked_mul(u128::from(size)).ok_or("is too large")?;
    if !scaled.is_multiple_of(scale) {
        return Err("is a fraction of the smallest unit");
    }
    u64::try_from(scaled / scale).map_err(|_| "is too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        let duration = |text| parse_duration(text).expect(text);
        assert_eq!(duration("500ms"), Duration::from_millis(500));
        assert_eq!(duration("10s"), Duration::from_secs(10));
        assert_eq!(duration("2m"), Duration::from_secs(120));
        assert_eq!(duration("1h"), Duration::from_secs(3600));
        assert_eq!(duration("1.5s"), Duration::from_millis(1500));
        assert_eq!(duration(" 0.25 ms "), Duration::from_micros(250));
        assert_eq!(duration("7µs"), Duration::from_micros(7));
        assert_eq!(duration("0s"), Duration::ZERO);
        let size = |text| parse_size(text).expect(text);
        assert_eq!(size("128"), 128);
        assert_eq!(size("64KiB"), 65536);
        assert_eq!(size("1.5MiB"), 3 << 19);
        assert_eq!(size("10MB"), 10_000_000);
        let count = |text| parse_count(text).expect(text);
        assert_eq!(count("64"), 64);
        assert_eq!(count("10k"), 10_000);
        assert_eq!(count("1.25M"), 1_250_000);
        assert_eq!(count("18446744073709551615"), u64::MAX);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |error: Result<Duration, String>, part: &str| {
            let error = error.expect_err(part);
            assert!(error.contains(part), "{error}");
        };
        wrong(parse_duration("10"), "no unit");
        wrong(parse_duration("10 weeks"), "unknown unit \"weeks\"");
        wrong(parse_duration("ten"), "not a number");
        wrong(parse_duration("-1s"), "not a number");
        wrong(parse_duration("1.2.3s"), "not a number");
        wrong(parse_duration("1.s"), "not a number");
        wrong(parse_duration(".5s"), "not a number");
        wrong(parse_duration(""), "not a number");
        wrong(parse_duration("0.5ns"), "fraction of the smallest unit");
        wrong(parse_duration("1.0000000000000001s"), "decimal places");
        wrong(parse_duration("999999999999999999h"), "too large");
        assert!(parse_count("1.5").is_err());
        assert!(parse_count("18446744073709551616").is_err());
        assert!(parse_size("64K").is_err());
    }

    #[test]
    fn a_size_can_be_written_and_read_again() {
        for text in ["0", "128", "1000", "1KiB", "60KiB", "1MiB", "1025", "3GiB"] {
            let bytes = parse_size(text).expect(text);
            assert_eq!(size_text(bytes), text);
        }
    }

    #[test]
    fn a_duration_can_be_written_and_read_again() {
        for text in ["0s", "1ns", "1500us", "250ms", "90s", "2m", "3h"] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration_text(duration), text);
        }
    }
}
