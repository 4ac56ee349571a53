//! Picking one of n: by weights, by a Zipf law, or from a hot set.

use super::Draws;

/// Items that one choice may have: what fits the index of a column.
const MOST_ITEMS: usize = u32::MAX as usize;

/// Picks places of a list with probabilities in proportion to weights, in constant time and
/// exactly (but for the rounding of `f64`).
///
/// The alias method (Walker, ACM TOMS 3(3), 1977), its table made as by Vose ("A linear algorithm
/// for generating random numbers with a given distribution", IEEE TSE 17(9), 1991): n columns of
/// equal probability, each split between its own item and one other.
#[derive(Clone, Debug)]
pub struct Weighted {
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    /// The probability that the column gives its own item.
    own: f64,
    /// What it gives otherwise.
    alias: u32,
}

impl Weighted {
    /// A choice by `weights`. An item of weight 0 is never picked.
    ///
    /// # Errors
    /// Says what is wrong: no weights, one that is negative or not finite, or nothing above 0.
    pub fn new(weights: &[f64]) -> Result<Self, String> {
        let n = weights.len();
        if n == 0 || n > MOST_ITEMS {
            return Err(format!("{n} weights: there are 1 to {MOST_ITEMS}"));
        }
        if let Some((nth, weight)) = (weights.iter().enumerate())
            .find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0))
        {
            return Err(format!(
                "weight {} is {weight}: weights are finite and not negative",
                nth + 1
            ));
        }
        let total: f64 = weights.iter().sum();
        if total <= 0.0 || !total.is_finite() {
            return Err(format!(
                "the weights sum to {total}: the sum is finite and above 0"
            ));
        }
        Ok(Weighted {
            columns: columns(weights, total),
        })
    }

    /// How many items there are.
    pub fn items(&self) -> usize {
        self.columns.len()
    }

    /// One item's place.
    pub fn pick(&self, draws: &mut Draws) -> usize {
        let own = draws.place(self.columns.len());
        let column = self.columns[own];
        // Drawn in [0, 1): a column with 0 never gives its own item, one with 1 always does.
        if draws.unit() < column.own {
            own
        } else {
            column.alias as usize
        }
    }
}

fn columns(weights: &[f64], total: f64) -> Vec<Column> {
    let n = weights.len();
    // What each item still has to get, in columns.
    let mut left: Vec<f64> = weights
        .iter()
        .map(|weight| weight / total * n as f64)
        .collect();
    let whole = |item: usize| Column {
        own: 1.0,
        alias: u32::try_from(item).expect("new() has checked the number of items"),
    };
    let mut columns: Vec<Column> = (0..n).map(whole).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..n).partition(|item| left[*item] < 1.0);
    while let (Some(item), Some(giver)) = (small.pop(), large.last().copied()) {
        columns[item] = Column {
            own: left[item],
            ..whole(giver)
        };
        left[giver] -= 1.0 - left[item];
        if left[giver] < 1.0 {
            large.pop();
            small.push(giver);
        }
    }
    // Whatever has no partner left is a whole column but for rounding, and stays one.
    columns
}

/// Ranks 0, 1, … n − 1 with probabilities in proportion to 1 / (rank + 1)^exponent: 0 is even, 1 is
/// Zipf's own law. A table of 16 bytes for each rank: exact for every exponent, and a draw costs
/// one look into it.
#[derive(Clone, Debug)]
pub struct Zipf {
    ranks: Weighted,
}

impl Zipf {
    /// The law over `n` ranks.
    ///
    /// # Errors
    /// Says what is wrong: no ranks, or an exponent that is negative or not finite.
    pub fn new(n: usize, exponent: f64) -> Result<Self, String> {
        if !(exponent.is_finite() && exponent >= 0.0) {
            return Err(format!(
                "the exponent {exponent}: it is finite and not negative"
            ));
        }
        if n == 0 || n > MOST_ITEMS {
            return Err(format!("{n} ranks: there are 1 to {MOST_ITEMS}"));
        }
        Ok(Zipf {
            ranks: Weighted::new(&Self::weights(n, exponent))?,
        })
    }

    /// What the ranks weigh, the first of them 1.
    pub fn weights(n: usize, exponent: f64) -> Vec<f64> {
        (0..n)
            .map(|rank| ((rank + 1) as f64).powf(-exponent))
            .collect()
    }

    /// How many ranks there are.
    pub fn ranks(&self) -> usize {
        self.ranks.items()
    }

    /// One rank.
    pub fn rank(&self, draws: &mut Draws) -> usize {
        self.ranks.pick(draws)
    }
}

/// A share of the draws falls evenly on the first items, the rest evenly on the others.
#[derive(Clone, Copy, Debug)]
pub struct Hot {
    n: usize,
    hot: usize,
    share: f64,
}

impl Hot {
    /// `share` (0 to 1) of the draws falls on the first `hot` of `n` items.
    ///
    /// # Errors
    /// Says what is wrong: a share outside of 0 to 1, or a part of the draws that has no items to
    /// fall on.
    pub fn new(n: usize, hot: usize, share: f64) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("the hot share {share}: it is 0 to 1"));
        }
        if hot > n {
            return Err(format!("{hot} hot items of {n}: there are not as many"));
        }
        if hot == 0 && share > 0.0 {
            return Err(format!("no hot items: nothing for the share {share}"));
        }
        if hot == n && share < 1.0 {
            let rest = 1.0 - share;
            return Err(format!(
                "all {n} items are hot: nothing for the other {rest}"
            ));
        }
        Ok(Hot { n, hot, share })
    }

    /// One item's place.
    pub fn pick(&self, draws: &mut Draws) -> usize {
        // Drawn in [0, 1): a share of 0 never wins, one of 1 always.
        if draws.unit() < self.share {
            draws.place(self.hot)
        } else {
            self.hot + draws.place(self.n - self.hot)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probability of each item that the table gives, added up over the columns.
    fn probabilities(weighted: &Weighted) -> Vec<f64> {
        let n = weighted.columns.len();
        let mut sums = vec![0.0; n];
        for (own, column) in weighted.columns.iter().enumerate() {
            sums[own] += column.own / n as f64;
            sums[column.alias as usize] += (1.0 - column.own) / n as f64;
        }
        sums
    }

    #[test]
    fn the_table_holds_the_weights_exactly() {
        let mut draws = Draws::new(3, 0, 0);
        let mut cases = vec![
            vec![1.0],
            vec![0.0, 5.0, 0.0],
            vec![1.0, 2.0, 3.0, 4.0],
            vec![1e-300, 1e300, 1.0],
            (0..1_000).map(|_| draws.exponential().powi(6)).collect(),
        ];
        for exponent in [0.0, 0.5, 0.99, 1.0, 2.0, 1_000.0] {
            cases.push(Zipf::weights(100_000, exponent));
        }
        for weights in cases {
            let total: f64 = weights.iter().sum();
            let table = probabilities(&Weighted::new(&weights).expect("fine weights"));
            for (item, (weight, held)) in weights.iter().zip(table).enumerate() {
                let wanted = weight / total;
                // One item may give to all others, a rounding each time.
                assert!((held - wanted).abs() < 1e-11, "{item}: {held} for {wanted}");
                assert!(*weight > 0.0 || held == 0.0, "{item} has no weight: {held}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |error: Result<(), String>, part: &str| {
            let error = error.expect_err(part);
            assert!(error.contains(part), "{error}");
        };
        let weighted = |weights: &[f64]| Weighted::new(weights).map(drop);
        wrong(weighted(&[]), "0 weights");
        wrong(weighted(&[1.0, -2.0]), "weight 2 is -2");
        wrong(weighted(&[f64::NAN]), "weight 1 is NaN");
        wrong(weighted(&[0.0, 0.0]), "sum to 0");
        wrong(weighted(&[f64::MAX, f64::MAX]), "sum to inf");
        wrong(Zipf::new(0, 1.0).map(drop), "0 ranks");
        wrong(Zipf::new(9, -0.1).map(drop), "exponent -0.1");
        wrong(Zipf::new(9, f64::INFINITY).map(drop), "exponent inf");
        wrong(Hot::new(10, 2, 1.1).map(drop), "share 1.1");
        wrong(Hot::new(10, 11, 0.5).map(drop), "11 hot items of 10");
        wrong(Hot::new(10, 0, 0.5).map(drop), "no hot items");
        wrong(Hot::new(10, 10, 0.5).map(drop), "all 10 items are hot");
        wrong(Hot::new(0, 0, 0.0).map(drop), "all 0 items are hot");
    }

    #[test]
    fn the_ends_of_the_hot_share_are_exact() {
        let (never, always) = (Hot::new(4, 0, 0.0), Hot::new(4, 4, 1.0));
        let (cold, hot) = (Hot::new(4, 1, 0.0), Hot::new(4, 1, 1.0));
        let mut draws = Draws::new(5, 0, 0);
        for _ in 0..10_000 {
            assert!(never.as_ref().expect("no hot items").pick(&mut draws) < 4);
            assert!(always.as_ref().expect("all hot").pick(&mut draws) < 4);
            assert!(cold.as_ref().expect("all cold").pick(&mut draws) > 0);
            assert_eq!(hot.as_ref().expect("one hot").pick(&mut draws), 0);
        }
    }
}
