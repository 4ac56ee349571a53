//! Numbers as a reader wants them: three significant digits, no more than they are worth.

/// A measurement, rounded to three significant digits: `5,420`, `12.3`, `0.410`.
pub(crate) fn sig3(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return group(&value.to_string());
    }
    // Rounded in scientific notation, where 9.996 becomes 1.00e1 and not 10.00.
    let text = format!("{value:.2e}");
    let rounded: f64 = text.parse().unwrap_or(value);
    let exponent: i32 = text
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let decimals = usize::try_from(2 - exponent).unwrap_or(0);
    group(&format!("{rounded:.decimals$}"))
}

/// A setting, without zeros behind it: `10`, `0.5`.
pub(crate) fn plain(value: f64) -> String {
    let text = sig3(value);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A count, whole: `12,345`.
pub(crate) fn count(value: u64) -> String {
    group(&value.to_string())
}

/// Microseconds as milliseconds.
#[allow(
    clippy::cast_precision_loss,
    reason = "latencies stay far below 2^52 microseconds"
)]
pub(crate) fn ms(us: u64) -> String {
    sig3(us as f64 / 1000.0)
}

/// Commas between thousands.
pub(crate) fn group(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// The middle of `values` (of an even number, between the two in the middle), the least and
/// the greatest; none when there are none.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    };
    Some(Spread { median, min, max })
}

/// A median and what it lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (5423.4, "5,420"),
            (1_234_567.0, "1,230,000"),
            (999.6, "1,000"),
            (100.4, "100"),
            (99.96, "100"),
            (12.34, "12.3"),
            (9.996, "10.0"),
            (0.41, "0.410"),
            (0.000_123_4, "0.000123"),
        ] {
            assert_eq!(sig3(value), text);
        }
        assert_eq!(plain(10.0), "10");
        assert_eq!(plain(0.5), "0.5");
        assert_eq!(plain(100.0), "100");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(999), "999");
        assert_eq!(ms(132), "0.132");
        assert_eq!(ms(1_000_000), "1,000");
    }

    #[test]
    fn a_median_stands_between_the_extremes() {
        let of = |values: &[f64]| spread(values.iter().copied()).map(|s| (s.median, s.min, s.max));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(of(&[9.0, 1.0, 2.0]), Some((2.0, 1.0, 9.0)));
        assert_eq!(of(&[4.0, 1.0, 2.0, 9.0]), Some((3.0, 1.0, 9.0)));
    }
}
