//! A line of a histogram log.

/// Nanoseconds in a second.
const NANOS: i128 = 1_000_000_000;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// A comment without a meaning, a legend, or nothing.
    Nothing,
    /// The log format's version, as `1.3`.
    Version(&'a str),
    /// Nanoseconds since the epoch.
    StartTime(i128),
    /// What timestamps count from, in nanoseconds since the epoch.
    BaseTime(i128),
    /// A histogram.
    Interval(Interval<'a>),
}

/// A line with a histogram.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval<'a> {
    /// Empty if there is none.
    pub(super) tag: &'a str,
    /// In nanoseconds, since whatever the file says.
    pub(super) timestamp: i128,
    /// In nanoseconds.
    pub(super) length: u64,
    /// As it stands there.
    pub(super) histogram: &'a str,
}

impl<'a> Line<'a> {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(line: &'a str) -> Result<Line<'a>, String> {
        let line = line.trim_ascii();
        if let Some(comment) = line.strip_prefix('#') {
            return comment_line(comment);
        }
        // Everybody's legend begins with the column of timestamps, most in quotes.
        let legend = ["\"", "StartTimestamp", "Timestamp"];
        if line.is_empty() || legend.iter().any(|start| starts_with(line, start)) {
            return Ok(Line::Nothing);
        }
        interval(line).map(Line::Interval)
    }
}

/// In upper or lower case, so that a port's own spelling costs nothing.
fn starts_with(text: &str, word: &str) -> bool {
    let start = text.get(..word.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn comment_line(comment: &str) -> Result<Line<'_>, String> {
    let after = |word: &str| {
        let comment = starts_with(comment, word).then(|| &comment[word.len()..])?;
        // `1441812279.474 (seconds since epoch), …]`
        let mut words = comment.split([' ', '\t', ',', ']']);
        words.find(|word| !word.is_empty()).or(Some(""))
    };
    let time = |text: &str, of: &str| {
        nanoseconds(text).ok_or_else(|| format!("its {of} {text:?} is no number of seconds"))
    };
    if let Some(version) = after("[Histogram log format version") {
        Ok(Line::Version(version))
    } else if let Some(text) = after("[StartTime:") {
        time(text, "StartTime").map(Line::StartTime)
    } else if let Some(text) = after("[BaseTime:") {
        time(text, "BaseTime").map(Line::BaseTime)
    } else {
        Ok(Line::Nothing)
    }
}

fn interval(line: &str) -> Result<Interval<'_>, String> {
    let wrong = |why: &str| format!("it is no line of a histogram log: {why}");
    let (tag, rest) = match line.strip_prefix("Tag=") {
        Some(tagged) => tagged
            .split_once(',')
            .ok_or_else(|| wrong("nothing follows its tag"))?,
        None => ("", line),
    };
    let fields: Vec<&str> = rest.split(',').map(str::trim_ascii).collect();
    let [timestamp, length, max, histogram] = fields[..] else {
        let count = fields.len();
        return Err(wrong(&format!("it has {count} fields, and 4 are needed")));
    };
    let number = |name: &str, text: &str| {
        nanoseconds(text).ok_or_else(|| wrong(&format!("{name} {text:?} is no number of seconds")))
    };
    let timestamp = number("timestamp", timestamp)?;
    let length = u64::try_from(number("length", length)?)
        .map_err(|_| wrong(&format!("no interval is {length} s long")))?;
    // The histogram knows it better; this is in whatever unit.
    if max.parse::<f64>().is_err() {
        return Err(wrong(&format!("maximum {max:?} is no number")));
    }
    Ok(Interval {
        tag,
        timestamp,
        length,
        histogram,
    })
}

/// Seconds, as programs print them, in nanoseconds: exactly where they are written as a decimal
/// fraction, for which an epoch's seconds have too many digits for an `f64`.
fn nanoseconds(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if plain(whole) && plain(fraction) && !(whole.is_empty() && fraction.is_empty()) {
        let whole = match whole {
            "" => 0,
            // Ten digits more than any date has.
            whole => i128::from(whole.parse::<u64>().ok()?),
        };
        let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanos = nanos.fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        return Some(sign * (whole * NANOS + nanos));
    }
    // With an exponent, as Java prints doubles from ten million on. To a microsecond: an `f64`
    // tells no more of an epoch's time.
    let seconds: f64 = text.parse().ok()?;
    let bounded = seconds.is_finite() && seconds.abs() <= u64::MAX as f64;
    bounded.then(|| (seconds * 1e6).round() as i128 * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_exactly() {
        for (text, nanos) in [
            ("0.127", Some(127_000_000)),
            ("1441812279.474", Some(1_441_812_279_474_000_000)),
            ("1441812279.4745678901", Some(1_441_812_279_474_567_890)),
            ("5", Some(5_000_000_000)),
            ("5.", Some(5_000_000_000)),
            (".5", Some(500_000_000)),
            ("-0.003", Some(-3_000_000)),
            ("1.441812279474E9", Some(1_441_812_279_474_000_000)),
            ("2e-3", Some(2_000_000)),
            ("", None),
            (".", None),
            ("-", None),
            ("--1", None),
            ("1,5", None),
            ("0x10", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(nanoseconds(text), nanos, "{text}");
        }
    }

    #[test]
    fn comments_and_legends_of_others_are_passed_over() {
        for line in [
            "",
            "#",
            "# a comment",
            "#[Logged with jHiccup version 2.0.6]",
            "#[StartTimes: 1]",
            "#[MaxValueDivisor: 1000.000]",
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\r\n",
            "\"StartTimestamp\",\"EndTimestamp\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
            "\"Timestamp\", \"Length\"",
            "Timestamp,Length,Max,Histogram",
            "startTimestamp,Interval_Length,Interval_Max,Interval_Compressed_Histogram",
        ] {
            assert_eq!(Line::of(line), Ok(Line::Nothing), "{line}");
        }
        let version = "#[Histogram log format version 1.2]\r";
        assert_eq!(Line::of(version), Ok(Line::Version("1.2")));
        let start =
            "#[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09 08:24:39 PDT 2015]";
        let read = Line::StartTime(1_441_812_279_474_000_000);
        assert_eq!(Line::of(start), Ok(read));
        for base in [
            "#[BaseTime: 7.5 (seconds since epoch)]\r\n",
            "#[Basetime: 7.5]",
        ] {
            assert_eq!(Line::of(base), Ok(Line::BaseTime(7_500_000_000)), "{base}");
        }
    }

    #[test]
    fn lines_that_are_none_are_told_why() {
        for (line, why) in [
            ("x", "it has 1 fields, and 4 are needed"),
            ("Tag=x", "nothing follows its tag"),
            ("1,2,3", "it has 3 fields, and 4 are needed"),
            ("1,2,3,4,5", "it has 5 fields, and 4 are needed"),
            (
                "soon,2,3,HISTF",
                "timestamp \"soon\" is no number of seconds",
            ),
            ("1,long,3,HISTF", "length \"long\" is no number of seconds"),
            ("1,-2,3,HISTF", "no interval is -2 s long"),
            ("1,2,most,HISTF", "maximum \"most\" is no number"),
            (
                "#[StartTime: now]",
                "its StartTime \"now\" is no number of seconds",
            ),
            ("#[BaseTime:", "its BaseTime \"\" is no number of seconds"),
        ] {
            let told = Line::of(line).expect_err(line);
            assert!(told.ends_with(why), "{line}: {told}");
        }
        let spaced = Line::of("Tag=a b, 0.127, 1.007 ,2.769E0,HISTF \r\n");
        let interval = Interval {
            tag: "a b",
            timestamp: 127_000_000,
            length: 1_007_000_000,
            histogram: "HISTF",
        };
        assert_eq!(spaced, Ok(Line::Interval(interval)));
    }
}
