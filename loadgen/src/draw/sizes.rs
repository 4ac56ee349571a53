//! How large a message is.

use super::{Draws, Weighted};

/// A distribution of sizes, in bytes.
#[derive(Clone, Debug)]
pub enum Sizes {
    /// Each size from `min` to `max` equally often.
    Uniform {
        /// The smallest.
        min: usize,
        /// The largest.
        max: usize,
    },
    /// Log-normal, rounded to whole bytes. What falls below `min` is `min`, what falls above
    /// `max` is `max`: unlike drawing again, this keeps the median (where it lies between them),
    /// and always takes two draws. The price is that the two ends have a share of their own.
    LogNormal {
        /// Half of the sizes are below.
        median: f64,
        /// The standard deviation of the size's logarithm.
        sigma: f64,
        /// The smallest.
        min: usize,
        /// The largest.
        max: usize,
    },
    /// Some sizes with weights.
    Table {
        /// The sizes.
        sizes: Vec<usize>,
        /// A weight for each.
        weights: Weighted,
    },
}

impl Sizes {
    /// Each size from `min` to `max` equally often.
    ///
    /// # Errors
    /// When `min` is above `max`.
    pub fn uniform(min: usize, max: usize) -> Result<Self, String> {
        in_order(min, max)?;
        Ok(Sizes::Uniform { min, max })
    }

    /// Log-normal, held between `min` and `max`: see [`Sizes::LogNormal`].
    ///
    /// # Errors
    /// Says what is wrong: `min` above `max`, a median that is not above 0, a negative sigma.
    pub fn log_normal(median: f64, sigma: f64, min: usize, max: usize) -> Result<Self, String> {
        in_order(min, max)?;
        if !(median.is_finite() && median > 0.0) {
            return Err(format!("the median {median}: it is finite and above 0"));
        }
        if !(sigma.is_finite() && sigma >= 0.0) {
            return Err(format!("the sigma {sigma}: it is finite and not negative"));
        }
        Ok(Sizes::LogNormal {
            median,
            sigma,
            min,
            max,
        })
    }

    /// Some sizes, each with its weight.
    ///
    /// # Errors
    /// As for [`Weighted::new`].
    pub fn table(entries: &[(usize, f64)]) -> Result<Self, String> {
        let (sizes, weights): (Vec<usize>, Vec<f64>) = entries.iter().copied().unzip();
        Ok(Sizes::Table {
            sizes,
            weights: Weighted::new(&weights)?,
        })
    }

    /// One size.
    pub fn size(&self, draws: &mut Draws) -> usize {
        match self {
            Sizes::Uniform { min, max } => match (max - min).checked_add(1) {
                Some(n) => min + draws.place(n),
                // Every usize there is.
                None => draws.u64() as usize,
            },
            Sizes::LogNormal {
                median,
                sigma,
                min,
                max,
            } => {
                // A cast from f64 takes what is too large to the largest.
                let drawn = draws.log_normal(*median, *sigma).round() as usize;
                drawn.clamp(*min, *max)
            }
            Sizes::Table { sizes, weights } => sizes[weights.pick(draws)],
        }
    }
}

fn in_order(min: usize, max: usize) -> Result<(), String> {
    if min > max {
        return Err(format!(
            "sizes from {min} to {max}: the first is the smaller"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |error: Result<Sizes, String>, part: &str| {
            let error = error.expect_err(part);
            assert!(error.contains(part), "{error}");
        };
        wrong(Sizes::uniform(9, 8), "from 9 to 8");
        wrong(Sizes::log_normal(5.0, 1.0, 9, 8), "from 9 to 8");
        wrong(Sizes::log_normal(0.0, 1.0, 1, 8), "median 0");
        wrong(Sizes::log_normal(f64::NAN, 1.0, 1, 8), "median NaN");
        wrong(Sizes::log_normal(5.0, -1.0, 1, 8), "sigma -1");
        wrong(Sizes::table(&[]), "0 weights");
        wrong(Sizes::table(&[(3, -1.0)]), "weight 1 is -1");
    }

    #[test]
    fn the_ends_belong_to_the_sizes() {
        let mut draws = Draws::new(8, 0, 0);
        let one = Sizes::uniform(7, 7).expect("one size");
        let all = Sizes::uniform(0, usize::MAX).expect("every size");
        let same = Sizes::log_normal(100.0, 0.0, 1, 1_000).expect("no spread");
        let wide = Sizes::log_normal(100.0, 500.0, 32, 4_096).expect("mostly at the ends");
        let (mut smallest, mut largest) = (usize::MAX, 0);
        for _ in 0..10_000 {
            assert_eq!(one.size(&mut draws), 7);
            assert_eq!(same.size(&mut draws), 100);
            let _ = all.size(&mut draws);
            let size = wide.size(&mut draws);
            (smallest, largest) = (smallest.min(size), largest.max(size));
        }
        assert_eq!((smallest, largest), (32, 4_096));
    }
}
