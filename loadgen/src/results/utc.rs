//! Moments as text, in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment's parts in the proleptic Gregorian calendar.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// Moments before 1970 are taken for its beginning: only a clock that is wrong tells them.
    fn of(moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        // Counted from 1 March of the year 0, leap days come last in their year, their
        // century and their 400 years.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Civil {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

/// As `2026-03-01T12:30:05Z` (RFC 3339).
pub fn rfc3339(moment: SystemTime) -> String {
    let c = Civil::of(moment);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

/// As `20260301T123005Z`, which sorts by time as a file name.
pub fn compact(moment: SystemTime) -> String {
    rfc3339(moment).replace(['-', ':'], "")
}

/// Reads what [`rfc3339`] writes, with a fraction of a second if there is one: always UTC.
pub fn parse(text: &str) -> Option<SystemTime> {
    let (whole, fraction) = match text.strip_suffix('Z')?.split_once('.') {
        Some((whole, fraction)) => (whole, format!("0.{fraction}").parse::<f64>().ok()?),
        None => (text.strip_suffix('Z')?, 0.0),
    };
    let (date, time) = whole.split_once('T')?;
    let numbers = |text: &str, between| -> Option<[u64; 3]> {
        let parts: Option<Vec<u64>> = text.split(between).map(|part| part.parse().ok()).collect();
        parts?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // As above, years and months counted from March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    let moment = UNIX_EPOCH + Duration::from_secs(seconds);
    // A 30 February, or 25 o'clock, is written otherwise.
    (rfc3339(moment) == format!("{whole}Z")).then(|| moment + Duration::from_secs_f64(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        // As `date -u -d @N` gives them.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(rfc3339(moment), text, "{seconds}");
            assert_eq!(parse(text), Some(moment), "{text}");
        }
        let moment = UNIX_EPOCH + Duration::from_millis(1_709_210_096_789);
        assert_eq!(compact(moment), "20240229T123456Z");
        let half = UNIX_EPOCH + Duration::from_millis(1_709_210_096_500);
        assert_eq!(parse("2024-02-29T12:34:56.5Z"), Some(half));
        for wrong in [
            "2023-02-29T12:34:56Z",
            "2024-02-29T24:00:00Z",
            "2024-02-29T12:34:56",
            "2024-02-29 12:34:56Z",
            "1969-12-31T23:59:59Z",
            "2024-13-01T00:00:00Z",
            "2024-2-29T12:34:56Z",
            "now",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let every = |years: u64, year: u64| year.is_multiple_of(years);
        let leap = |year| every(4, year) && (!every(100, year) || every(400, year));
        let month_days = |year: u64, month: u64| match month {
            2 if leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..170_000 {
            let c = Civil::of(UNIX_EPOCH + Duration::from_secs(days * 86_400));
            assert_eq!((c.year, c.month, c.day), (year, month, day), "day {days}");
            day += 1;
            if day > month_days(year, month) {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
