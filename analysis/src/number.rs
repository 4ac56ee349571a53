//! Numbers as a reader wants them: with as many digits as they are worth.

use std::fmt;

/// Digits that count of a number of which no more is known than that it was measured.
const DIGITS: i32 = 3;

/// A number, and how many digits of it are worth telling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    /// As it was measured.
    pub(crate) value: f64,
    /// Digits behind the point; -2 is rounded to hundreds.
    pub(crate) decimals: i32,
}

impl Number {
    /// With three significant digits.
    pub(crate) fn sig3(value: f64) -> Self {
        Number {
            value,
            decimals: decimals(value, DIGITS),
        }
    }

    /// A whole number, to the last digit.
    #[allow(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
    pub(crate) fn count(value: u64) -> Self {
        Number {
            value: value as f64,
            decimals: 0,
        }
    }

    /// What was set and not measured: all of its digits, to a millionth.
    pub(crate) fn setting(value: f64) -> Self {
        let mut number = Number { value, decimals: 6 };
        while number.decimals > 0 && number.digits().ends_with('0') {
            number.decimals -= 1;
        }
        number
    }

    /// A value and its interval, rounded alike: to the second significant digit of half the
    /// interval's width. (JCGM 100:2008, 7.2.6: an uncertainty has two significant digits at
    /// most, and the estimate is rounded to be consistent with it.) An interval of no width
    /// tells nothing of that; the value has three digits then.
    pub(crate) fn with_interval(value: f64, low: f64, high: f64) -> [Self; 3] {
        let half = (high - low) / 2.0;
        let decimals = match half > 0.0 && half.is_finite() {
            true => decimals(half, 2),
            false => decimals(value, DIGITS),
        };
        [value, low, high].map(|value| Number { value, decimals })
    }

    /// Digits only, without commas: `19200`, `0.410`.
    pub(crate) fn digits(self) -> String {
        if !self.value.is_finite() {
            return self.value.to_string();
        }
        let text = match usize::try_from(self.decimals) {
            Ok(decimals) => format!("{:.decimals$}", self.value),
            Err(_) => {
                let step = 10_f64.powi(-self.decimals);
                format!("{:.0}", (self.value / step).round() * step)
            }
        };
        // A number that is rounded to nothing has no sign.
        match text.strip_prefix('-') {
            Some(rest) if !rest.contains(|c: char| matches!(c, '1'..='9')) => rest.to_owned(),
            _ => text,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        match digits.strip_prefix('-') {
            Some(digits) => write!(f, "−{}", group(digits)),
            None => f.write_str(&group(&digits)),
        }
    }
}

/// Digits behind the point that `value` has when so many of its digits count.
fn decimals(value: f64, digits: i32) -> i32 {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    // Rounded in scientific notation, where 9.996 becomes 1.00e1 and not 10.00.
    let precision = usize::try_from(digits - 1).unwrap_or(0);
    let text = format!("{value:.precision$e}");
    let exponent = text.split_once('e').map(|(_, exponent)| exponent);
    let exponent: i32 = exponent.and_then(|e| e.parse().ok()).unwrap_or(0);
    digits - 1 - exponent
}

/// A measurement, rounded to three significant digits: `5,420`, `12.3`, `0.410`.
pub(crate) fn sig3(value: f64) -> String {
    Number::sig3(value).to_string()
}

/// A setting, without zeros behind it: `10`, `0.5`.
pub(crate) fn plain(value: f64) -> String {
    Number::setting(value).to_string()
}

/// A count, whole: `12,345`.
pub(crate) fn count(value: u64) -> String {
    group(&value.to_string())
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
        assert_eq!(plain(12_340.0), "12,340");
        assert_eq!(plain(0.1 + 0.2), "0.3");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn a_number_has_no_more_digits_than_its_interval_is_worth() {
        for (value, low, high, text) in [
            (19_234.0, 18_310.0, 20_158.0, ["19,230", "18,310", "20,160"]),
            (0.7123, 0.6801, 0.7421, ["0.712", "0.680", "0.742"]),
            (3.3, 3.299, 3.301, ["3.3000", "3.2990", "3.3010"]),
            (
                1_234_567.0,
                1_000_000.0,
                1_500_000.0,
                ["1,230,000", "1,000,000", "1,500,000"],
            ),
            (5.0, 5.0, 5.0, ["5.00", "5.00", "5.00"]),
            (-0.004, -0.11, 0.10, ["0.00", "−0.11", "0.10"]),
        ] {
            let numbers = Number::with_interval(value, low, high);
            assert_eq!(numbers.map(|n| n.to_string()), text);
        }
        assert_eq!(Number::sig3(f64::INFINITY).to_string(), "inf");
        assert_eq!(Number::count(12_345).digits(), "12345");
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
