//! Latencies as a histogram holds them, without its empty buckets.
//!
//! A decoded histogram of three digits takes about 190 KB, nearly all of it zeros; a report
//! keeps thousands of them.

use hdrhistogram::Histogram;
use telegraft_loadgen::results::LatencyUs;

/// What quantiles are counted in: fine enough for every one that anybody prints, and exact, so
/// that no rounding moves a rank.
const PARTS: u128 = 1_000_000_000_000;

/// Parts of a thousandth.
const PARTS_PER_MILLE: u128 = PARTS / 1000;

/// Latencies in microseconds, each as the highest value that its bucket stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latencies {
    /// Of each bucket in rising order: how far it is above the one before, and its count, as
    /// LEB128 numbers (DWARF 5, section 7.6). Two to five bytes a bucket, where plain numbers
    /// take sixteen.
    buckets: Vec<u8>,
    count: u64,
    /// Of the middles of the buckets.
    sum_us: u128,
    min_us: u64,
    max_us: u64,
}

impl Latencies {
    /// What a histogram holds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Latencies {
        let mut all = Latencies {
            min_us: histogram.min(),
            max_us: histogram.max(),
            ..Latencies::default()
        };
        let mut writer = Writer::default();
        for step in histogram.iter_recorded() {
            let value = step.value_iterated_to();
            let count = step.count_at_value();
            let middle = histogram.median_equivalent(value);
            let sum = u128::from(middle) * u128::from(count);
            all.sum_us = all.sum_us.saturating_add(sum);
            all.count = all.count.saturating_add(count);
            writer.put(histogram.highest_equivalent(value), count);
        }
        all.buckets = writer.finish();
        all
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Their mean, each counted as the middle of its bucket; 0 of none.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a mean of 53 bits is far finer than a bucket"
    )]
    pub(crate) fn mean_us(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => self.sum_us as f64 / count as f64,
        }
    }

    /// The shortest; 0 of none.
    #[cfg(test)]
    pub(crate) fn min_us(&self) -> u64 {
        self.min_us
    }

    /// The longest; 0 of none.
    #[cfg(test)]
    pub(crate) fn max_us(&self) -> u64 {
        self.max_us
    }

    /// Each bucket's highest value and its count, in rising order.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        Reader {
            bytes: &self.buckets,
            value: 0,
        }
    }

    /// Adds others, bucket by bucket. Where they were recorded with another precision, theirs
    /// stay as they are beside ours.
    pub(crate) fn merge(&mut self, more: &Latencies) {
        if more.count == 0 {
            return;
        }
        if self.count == 0 {
            self.clone_from(more);
            return;
        }
        let mut writer = Writer {
            bytes: Vec::with_capacity(self.buckets.len() + more.buckets.len()),
            value: 0,
        };
        let (mut ours, mut theirs) = (self.buckets().peekable(), more.buckets().peekable());
        loop {
            let (value, count) = match (ours.peek().copied(), theirs.peek().copied()) {
                (Some(one), Some(other)) if one.0 == other.0 => {
                    ours.next();
                    theirs.next();
                    (one.0, one.1.saturating_add(other.1))
                }
                (Some(one), other) if other.is_none_or(|other| one.0 < other.0) => {
                    ours.next();
                    one
                }
                (_, Some(other)) => {
                    theirs.next();
                    other
                }
                (_, None) => break,
            };
            writer.put(value, count);
        }
        drop((ours, theirs));
        self.buckets = writer.finish();
        self.count = self.count.saturating_add(more.count);
        self.sum_us = self.sum_us.saturating_add(more.sum_us);
        self.min_us = self.min_us.min(more.min_us);
        self.max_us = self.max_us.max(more.max_us);
    }

    /// The `per_mille`th thousandth of the operations that were due: these and `missed` ones,
    /// by the rule of [`LatencyUs::at`]. 1000 is the longest.
    pub(crate) fn at(&self, per_mille: u64, missed: u64) -> LatencyUs {
        self.at_part(u128::from(per_mille) * PARTS_PER_MILLE, missed)
    }

    /// The same for any quantile `q` from 0 to 1, to twelve decimals.
    #[cfg(test)]
    pub(crate) fn quantile(&self, q: f64, missed: u64) -> LatencyUs {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "it lies between 0 and PARTS"
        )]
        let part = (q.clamp(0.0, 1.0) * PARTS as f64).round() as u128;
        self.at_part(part, missed)
    }

    fn at_part(&self, part: u128, missed: u64) -> LatencyUs {
        let missed = u128::from(missed);
        let due = u128::from(self.count) + missed;
        if due == 0 {
            return LatencyUs::None;
        }
        if part >= PARTS {
            return match missed {
                0 => LatencyUs::Known(self.max_us),
                _ => LatencyUs::BeyondTimeout,
            };
        }
        // missed / due < 1 − q, without rounding.
        if missed * PARTS >= due * (PARTS - part) {
            return LatencyUs::BeyondTimeout;
        }
        let rank = (due * part).div_ceil(PARTS);
        let mut counted = 0;
        for (value, count) in self.buckets() {
            counted += u128::from(count);
            if counted >= rank {
                return LatencyUs::Known(value);
            }
        }
        // Not reached: rank ≤ due − missed by the rule above.
        LatencyUs::BeyondTimeout
    }

    /// For each bucket, in rising order: the share of the operations that were due (these and
    /// `missed` ones) whose latency is known to be no longer than its value, and that value in
    /// microseconds.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a share of 53 bits is finer than any plot"
    )]
    pub(crate) fn steps(&self, missed: u64) -> impl Iterator<Item = (f64, u64)> {
        let due = (u128::from(self.count) + u128::from(missed)) as f64;
        self.buckets().scan(0_u128, move |counted, (value, count)| {
            *counted += u128::from(count);
            Some((*counted as f64 / due, value))
        })
    }
}

/// Writes buckets in rising order.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    value: u64,
}

impl Writer {
    fn put(&mut self, value: u64, count: u64) {
        for mut number in [value.saturating_sub(self.value), count] {
            while number >= 0x80 {
                self.bytes.push(number.to_le_bytes()[0] | 0x80);
                number >>= 7;
            }
            self.bytes.push(number.to_le_bytes()[0]);
        }
        self.value = value;
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.shrink_to_fit();
        self.bytes
    }
}

/// Reads what [`Writer`] wrote.
struct Reader<'a> {
    bytes: &'a [u8],
    value: u64,
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        self.value += self.number()?;
        Some((self.value, self.number()?))
    }
}

#[cfg(test)]
mod tests;
