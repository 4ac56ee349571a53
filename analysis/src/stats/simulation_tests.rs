//! What the intervals and tests do over thousands of made-up experiments. Seeds are fixed: a run
//! is the same everywhere, and what is printed can be quoted
//! (`cargo test -p telegraft-analysis simulation -- --nocapture`).

use std::f64::consts::TAU;

use super::{ALPHA, Better, NOISE, Verdict, holm, judge, ratio, typical, welch};

/// Of all simulations; each derives its own from it.
const SEED: u64 = 20_260_301;

/// Trials vary by this much: a standard deviation of 5 %.
const SPREAD: f64 = 0.05;

/// SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1, neither included.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Standard normal (Box & Muller 1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }

    fn log_normal(&mut self, deviation: f64) -> f64 {
        (deviation * self.normal()).exp()
    }

    fn sample(&mut self, n: usize, mut draw: impl FnMut(&mut Random) -> f64) -> Vec<f64> {
        (0..n).map(|_| draw(self)).collect()
    }
}

type Draw = fn(&mut Random) -> f64;

/// Distributions of trials, the first of which is the one that the interval is made for.
const SHAPES: [(&str, Draw); 6] = [
    ("log-normal", |random| random.log_normal(SPREAD)),
    ("normal", |random| 1.0 + SPREAD * random.normal()),
    ("uniform", |random| 1.0 + SPREAD * (random.uniform() - 0.5)),
    ("exponential", |random| -random.uniform().ln()),
    ("bimodal", |random| {
        let mode = if random.uniform() < 0.5 { 1.0 } else { 1.2 };
        mode * random.log_normal(0.02)
    }),
    ("one outlier in ten", |random| {
        let times = if random.uniform() < 0.1 { 1.5 } else { 1.0 };
        times * random.log_normal(0.02)
    }),
];

/// How many of 2,000 intervals over `n` trials cover the true geometric mean, in percent.
fn coverage(draw: Draw, n: usize) -> f64 {
    const CASES: u32 = 2_000;
    let mut random = Random(SEED);
    // What an interval is about, to far more digits than it has.
    let many = 1_000_000;
    let logs: f64 = (0..many).map(|_| draw(&mut random).ln()).sum();
    let truth = (logs / f64::from(many)).exp();
    let covers = |random: &mut Random| {
        let interval = typical(&random.sample(n, draw)).unwrap().interval.unwrap();
        interval.low <= truth && truth <= interval.high
    };
    let covered = (0..CASES).filter(|_| covers(&mut random)).count();
    100.0 * f64::from(u32::try_from(covered).unwrap()) / f64::from(CASES)
}

#[test]
fn an_interval_covers_the_truth_as_often_as_it_says() {
    eprintln!("seed {SEED}: 2,000 intervals of 95 % each, and how many % cover the truth");
    for (name, draw) in SHAPES {
        let of = [3, 5, 10].map(|n| coverage(draw, n));
        let [three, five, ten] = of;
        eprintln!("{name}: n = 3: {three:.1}, n = 5: {five:.1}, n = 10: {ten:.1}");
        if name == "log-normal" {
            for percent in of {
                assert!((93.0..=97.0).contains(&percent), "{name}: {percent} %");
            }
        }
    }
}

/// 31 of 400 is where 1 in 20 ends: more come about once in 200 times by chance.
#[test]
fn equal_configurations_rarely_differ() {
    for n in [3, 5, 10] {
        let mut random = Random(SEED + 1);
        let mut alarms = 0;
        for _ in 0..400 {
            let mut draw = || random.sample(n, |random| 5_000.0 * random.log_normal(SPREAD));
            let (a, b) = (draw(), draw());
            alarms += u32::from(welch(&a, &b).unwrap().p < 0.05);
        }
        eprintln!("seed {}: {alarms} false alarms in 400, n = {n}", SEED + 1);
        assert!(alarms <= 31, "{alarms} of 400 with {n} trials");
    }
}

/// One table of 40 rows with `n` trials on each side at 1 % noise, 39 of them of equal
/// configurations and one, the last, where the second side is 5 % faster.
fn table(random: &mut Random, n: usize) -> Vec<Verdict> {
    let mut draw = |typical: f64| random.sample(n, |random| typical * random.log_normal(0.01));
    let rows: Vec<(Vec<f64>, Vec<f64>)> = (0..40)
        .map(|row| {
            (
                draw(5_000.0),
                draw(if row == 39 { 5_250.0 } else { 5_000.0 }),
            )
        })
        .collect();
    let p: Vec<f64> = rows.iter().map(|(a, b)| welch(b, a).unwrap().p).collect();
    let verdict = |((a, b), p): (&(Vec<f64>, Vec<f64>), &f64)| {
        judge(&ratio(b, a).unwrap(), Some(*p), Better::Higher, NOISE)
    };
    rows.iter().zip(&holm(&p)).map(verdict).collect()
}

/// Five trials find such a change in 37 of 40 tables, not in all: in five trials a side, what
/// they vary by is known too badly to be sure among 40 rows. Two more trials make it sure.
#[test]
fn a_change_of_5_percent_is_found_among_40_rows() {
    const TABLES: usize = 200;
    for (n, at_least) in [(5, 176), (6, 192), (7, 198)] {
        let (mut found, mut with_alarm) = (0, 0);
        for at in 0..TABLES {
            let mut random = Random(SEED + 2 + u64::try_from(at).unwrap());
            let mut verdicts = table(&mut random, n);
            found += usize::from(verdicts.pop() == Some(Verdict::Faster));
            let seen = |verdict: &Verdict| matches!(verdict, Verdict::Faster | Verdict::Slower);
            with_alarm += usize::from(verdicts.iter().any(seen));
        }
        eprintln!(
            "seeds from {}: with {n} trials found in {found} of {TABLES} tables; {with_alarm} \
             tables have a false alarm, at a level of {ALPHA}",
            SEED + 2
        );
        assert!(found >= at_least, "{found} of {TABLES} with {n} trials");
        // Mean 10 at most: more than 20 come about once in 1,000 times by chance.
        assert!(with_alarm <= 20, "{with_alarm} of {TABLES} with {n} trials");
    }
}
