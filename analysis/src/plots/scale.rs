//! Scales: from values to places on an axis, and which values are named there.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use super::text::{decimal, sane};

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Linear,
    Log,
    /// The logarithm of one more than the value: has a place for zero.
    LogFromZero,
    /// By quantile, a decade for each nine: 0 %, 90 %, 99 %.
    Nines,
}

/// A value with a line through the panel, and a label where there is room.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    /// None: a finer line alone.
    pub(super) label: Option<String>,
}

/// An axis. Its ends differ, whatever it was made from.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<Tick>,
}

/// The least and the greatest of the values that can be drawn.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter_map(sane).fold(None, |extent, value| {
        let (low, high) = extent.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    // Powers of ten are not exact: 3 hundredths of one may be a little more than a step's three.
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    let fits = |step: &f64| *step >= least * (1.0 - 1e-9);
    steps.into_iter().find(fits).unwrap_or(10.0 * power)
}

fn decimals(step: f64) -> usize {
    // Of a step of 0.02, two. (0.1 + 0.2 is not 0.3: the exponent is taken with some slack.)
    let exponent = (step.log10() + 1e-9).floor();
    match exponent < 0.0 {
        true => [1, 2, 3, 4, 5, 6, 7, 8, 9]
            .into_iter()
            .find(|decimals| f64::from(*decimals) >= -exponent)
            .map_or(9, |decimals| usize::try_from(decimals).unwrap_or(9)),
        false => 0,
    }
}

/// Multiples of `step` from `low` to `high`.
fn multiples(low: f64, high: f64, step: f64) -> Vec<Tick> {
    let mut ticks = Vec::new();
    let first = (low / step - 1e-9).ceil();
    for nth in 0..100 {
        let at = (first + f64::from(nth)) * step;
        if at > high + step * 1e-9 {
            break;
        }
        ticks.push(Tick {
            at,
            label: Some(decimal(at, decimals(step))),
        });
    }
    ticks
}

impl Scale {
    /// From zero (or the least value below it) to a round number above the greatest value, with
    /// at most about `most` labels.
    pub(super) fn linear(values: impl Iterator<Item = f64>, most: u32) -> Scale {
        let (low, high) = extent(values).unwrap_or((0.0, 1.0));
        let (low, high) = (low.min(0.0), high.max(0.0));
        let high = match high - low < 1e-6 {
            true => low + 1.0,
            false => high,
        };
        let step = nice_step((high - low) / f64::from(most.max(1)));
        let (low, high) = (
            (low / step).floor() * step,
            (high / step - 1e-9).ceil() * step,
        );
        Scale {
            kind: Kind::Linear,
            low,
            high,
            ticks: multiples(low, high, step),
        }
    }

    /// Seconds from 0 to `end`, with labels at whole seconds and minutes.
    pub(super) fn seconds(end: f64, most: u32) -> Scale {
        let end = sane(end).unwrap_or(1.0).max(1.0);
        let round = [
            1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_200.0,
            1_800.0, 3_600.0,
        ];
        let least = end / f64::from(most.max(1));
        let step = round.into_iter().find(|step| *step >= least);
        let step = step.unwrap_or_else(|| nice_step(least));
        Scale {
            kind: Kind::Linear,
            low: 0.0,
            high: end,
            ticks: multiples(0.0, end, step),
        }
    }

    /// From the first of `places` to the last one, with a margin; all of them are labelled.
    pub(super) fn places(places: &[f64]) -> Scale {
        let (low, high) = extent(places.iter().copied()).unwrap_or((0.0, 1.0));
        let margin = ((high - low) * 0.12).max(0.5);
        let mut ticks: Vec<Tick> = Vec::new();
        for at in places.iter().copied().filter_map(sane) {
            // Neighbours that would lie on each other share one label.
            if ticks
                .iter()
                .all(|tick| (tick.at - at).abs() > (high - low) / 20.0)
            {
                ticks.push(Tick {
                    at,
                    label: Some(decimal(at, 0)),
                });
            }
        }
        Scale {
            kind: Kind::Linear,
            low: low - margin,
            high: high + margin,
            ticks,
        }
    }

    /// A logarithmic axis around the values above zero, labelled at decades, and at twice and
    /// five times these where there are few. Its ends are labelled values.
    pub(super) fn log(values: impl Iterator<Item = f64>) -> Scale {
        let positive = values
            .filter(|value| *value > 0.0)
            .map(|value| value.max(1e-6));
        let (least, most) = extent(positive).unwrap_or((1.0, 10.0));
        let fine = (most / least).log10() < 2.3;
        let steps: &[f64] = match fine {
            true => &[1.0, 2.0, 5.0],
            false => &[1.0],
        };
        let grid: Vec<f64> = (-7..=13)
            .flat_map(|decade| steps.iter().map(move |step| step * power(decade)))
            .collect();
        let below = grid.iter().rposition(|at| *at <= least * (1.0 + 1e-9));
        let above = grid.iter().position(|at| *at >= most * (1.0 - 1e-9));
        let below = below.unwrap_or(0);
        let above = above.unwrap_or(grid.len() - 1);
        // Never one value alone.
        let (below, above) = match above > below {
            true => (below, above),
            false => (below.saturating_sub(1), (below + 1).min(grid.len() - 1)),
        };
        let (low, high) = (grid[below], grid[above]);
        let shown = &grid[below..=above];
        // Of many decades every second or third.
        let every = match fine {
            true => 1,
            false => (shown.len() - 1) / 7 + 1,
        };
        let mut ticks: Vec<Tick> = shown
            .iter()
            .enumerate()
            .map(|(nth, at)| Tick {
                at: *at,
                label: (nth % every == 0).then(|| log_label(*at)),
            })
            .collect();
        if (high / low).log10() < 4.5 {
            for decade in -7..=13 {
                for digit in 2..=9 {
                    let at = f64::from(digit) * power(decade);
                    let known = shown.iter().any(|tick| (tick / at - 1.0).abs() < 1e-6);
                    if at > low && at < high && !known {
                        // Between two labels alone there is room for more.
                        let label = (shown.len() <= 2).then(|| log_label(at));
                        ticks.push(Tick { at, label });
                    }
                }
            }
        }
        ticks.sort_by(|one, other| one.at.total_cmp(&other.at));
        Scale {
            kind: Kind::Log,
            low,
            high,
            ticks,
        }
    }

    /// From zero: linear where the greatest value is below 50, else by the logarithm of one more
    /// than the value, so that zero has a place and a few are seen beside thousands.
    pub(super) fn counts(values: impl Iterator<Item = f64>, most: u32) -> Scale {
        let greatest = extent(values).map_or(0.0, |(_, high)| high.max(0.0));
        if greatest < 50.0 {
            return Scale::linear([0.0, greatest.max(4.0)].into_iter(), most);
        }
        let decades: Vec<f64> = (0..=12).map(power).collect();
        let above = decades.iter().position(|at| *at >= greatest).unwrap_or(12);
        let labelled = |at: f64| Tick {
            at,
            label: Some(log_label(at)),
        };
        let mut ticks = vec![labelled(0.0)];
        let every = above / (usize::try_from(most.max(2)).unwrap_or(5)) + 1;
        ticks.extend((0..=above).step_by(every).map(|at| labelled(decades[at])));
        Scale {
            kind: Kind::LogFromZero,
            low: 0.0,
            high: decades[above].max(greatest),
            ticks,
        }
    }

    /// Quantiles from 0 to `highest`, a decade for each nine.
    pub(super) fn nines(highest: f64) -> Scale {
        let highest = sane(highest).unwrap_or(0.0).clamp(0.9, 1.0 - 1e-9);
        let names = [
            (0.0, "0 %"),
            (0.5, "50 %"),
            (0.9, "90 %"),
            (0.99, "99 %"),
            (0.999, "99.9 %"),
            (0.9999, "99.99 %"),
            (0.99999, "99.999 %"),
            (0.999_999, "99.9999 %"),
            (0.999_999_9, ""),
            (0.999_999_99, ""),
        ];
        let ticks = names
            .into_iter()
            .filter(|(at, _)| *at <= highest)
            .map(|(at, name)| Tick {
                at,
                label: (!name.is_empty()).then(|| name.to_owned()),
            });
        Scale {
            kind: Kind::Nines,
            low: 0.0,
            high: highest,
            ticks: ticks.collect(),
        }
    }

    /// Other values at the same places: `factor` times these, for an axis at the other side.
    pub(super) fn other(&self, factor: f64) -> Vec<Tick> {
        let highest = self.high * factor;
        if !highest.is_finite() || highest <= 0.0 || factor <= 0.0 {
            return Vec::new();
        }
        let ticks = match self.kind {
            Kind::LogFromZero => {
                let decades = (-6..=12).map(power).filter(|at| *at <= highest);
                // Below one entry the axis is linear, and decades lie on each other.
                let shown = decades.filter(|at| *at / factor >= 0.9);
                std::iter::once(0.0)
                    .chain(shown)
                    .map(|at| Tick {
                        at,
                        label: Some(log_label(at)),
                    })
                    .collect()
            }
            _ => multiples(0.0, highest, nice_step(highest / 4.0)),
        };
        let back = |tick: Tick| Tick {
            at: tick.at / factor,
            ..tick
        };
        ticks.into_iter().map(back).collect()
    }

    /// How far along the axis a value is, from 0 to 1. Values beyond an end are at it; so is
    /// zero on a logarithmic axis.
    pub(super) fn place(&self, value: f64) -> f64 {
        let spread = |value: f64| match self.kind {
            Kind::Linear => value,
            Kind::Log => value.max(1e-9).log10(),
            Kind::LogFromZero => value.max(0.0).ln_1p(),
            Kind::Nines => -(1.0 - value.clamp(0.0, 1.0 - 1e-12)).log10(),
        };
        let (low, high) = (spread(self.low), spread(self.high));
        let place = (spread(value.clamp(self.low, self.high)) - low) / (high - low);
        match place.is_finite() {
            true => place.clamp(0.0, 1.0),
            false => 0.0,
        }
    }

    /// How its name says that it is not linear.
    pub(super) fn manner(&self) -> &'static str {
        match self.kind {
            Kind::Log | Kind::LogFromZero => ", logarithmic",
            Kind::Linear | Kind::Nines => "",
        }
    }

    pub(super) fn high(&self) -> f64 {
        self.high
    }
}

fn power(decade: i32) -> f64 {
    // Read from text, where 1e-3 is the nearest number to a thousandth.
    format!("1e{decade}").parse().unwrap_or(1.0)
}

fn log_label(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    decimal(value, decimals(value.max(1e-9)))
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let place = self.place(*value);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "between two numbers of pixels"
        )]
        let moved = (place * f64::from(to - from)).round() as i32;
        from + moved
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        let labels = scale.ticks.iter().filter_map(|tick| tick.label.as_deref());
        labels.collect()
    }

    #[test]
    fn linear_axes_go_from_zero_in_steps_of_one_two_and_five() {
        let scale = Scale::linear([12_000.0, 22_915.5].into_iter(), 5);
        assert_eq!(
            labels(&scale),
            ["0", "5,000", "10,000", "15,000", "20,000", "25,000"]
        );
        let scale = Scale::linear([0.07].into_iter(), 4);
        assert_eq!(labels(&scale), ["0.00", "0.02", "0.04", "0.06", "0.08"]);
        assert_eq!(
            labels(&Scale::linear([].into_iter(), 2)),
            ["0.0", "0.5", "1.0"]
        );
    }

    #[test]
    fn logarithmic_axes_name_decades_or_their_parts() {
        let scale = Scale::log([1.3, 7_000.0].into_iter());
        assert_eq!(labels(&scale), ["1", "10", "100", "1,000", "10,000"]);
        let scale = Scale::log([1.3, 11.0].into_iter());
        assert_eq!(labels(&scale), ["1", "2", "5", "10", "20"]);
        let scale = Scale::log([5.0].into_iter());
        assert_eq!(labels(&scale), ["2", "5", "10"]);
        let close = Scale::log([5.2, 7.0].into_iter());
        assert_eq!(labels(&close), ["5", "6", "7", "8", "9", "10"]);
        assert_eq!(scale.place(0.0), 0.0);
    }

    #[test]
    fn each_nine_is_as_wide_as_the_one_before() {
        let scale = Scale::nines(0.999);
        assert_eq!(labels(&scale), ["0 %", "50 %", "90 %", "99 %", "99.9 %"]);
        for (quantile, place) in [
            (0.0, 0.0),
            (0.9, 1.0 / 3.0),
            (0.99, 2.0 / 3.0),
            (0.999, 1.0),
        ] {
            assert!((scale.place(quantile) - place).abs() < 1e-9);
        }
    }

    #[test]
    fn counts_have_a_place_for_zero_and_another_unit_beside_them() {
        let scale = Scale::counts([0.0, 40_000.0].into_iter(), 6);
        assert_eq!(scale.place(0.0), 0.0);
        assert!(scale.place(9.0) > 0.15);
        // Entries at 20,000 a second: 2,000 of them are 100 ms.
        let other = scale.other(1000.0 / 20_000.0);
        let hundred = other
            .iter()
            .find(|tick| tick.label.as_deref() == Some("100"));
        assert!((hundred.unwrap().at - 2_000.0).abs() < 1e-6);
    }
}
