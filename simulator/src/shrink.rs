//! Makes a failing plan smaller: fewer faults, fewer clients, fewer nodes, less time, as long as the
//! same rule is broken. Delta debugging (Zeller and Hildebrandt, 2002) over each list.

use std::time::Duration;

use crate::judge::Violation;
use crate::plan::Plan;

/// A plan made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest plan that was found.
    pub plan: Plan,
    /// What it breaks.
    pub violation: Violation,
    /// How many plans were tried.
    pub tries: u32,
}

struct Shrinker<F> {
    best: Plan,
    violation: Violation,
    tries: u32,
    most_tries: u32,
    fails: F,
}

/// Makes `plan`, which breaks `violation`, smaller with at most `most_tries` runs; `fails` runs a
/// plan and says what it breaks.
pub fn shrink(
    plan: &Plan,
    violation: &Violation,
    most_tries: u32,
    fails: impl FnMut(&Plan) -> Option<Violation>,
) -> Shrunk {
    let mut shrinker = Shrinker {
        best: plan.clone(),
        violation: violation.clone(),
        tries: 0,
        most_tries,
        fails,
    };
    shrinker.end_early();
    loop {
        let before = shrinker.best.clone();
        shrinker.fewer(|plan| &mut plan.faults);
        shrinker.fewer(|plan| &mut plan.clients);
        shrinker.fewer_nodes();
        shrinker.end_early();
        shrinker.fewer_operations();
        if shrinker.best == before || shrinker.tries >= most_tries {
            return Shrunk {
                plan: shrinker.best,
                violation: shrinker.violation,
                tries: shrinker.tries,
            };
        }
    }
}

impl<F: FnMut(&Plan) -> Option<Violation>> Shrinker<F> {
    /// Takes a plan over if it breaks the same rule.
    fn attempt(&mut self, plan: Plan) -> bool {
        if plan == self.best || self.tries >= self.most_tries {
            return false;
        }
        self.tries += 1;
        match (self.fails)(&plan) {
            Some(violation) if violation.rule == self.violation.rule => {
                self.best = plan;
                self.violation = violation;
                true
            }
            _ => false,
        }
    }

    /// Removes parts of a list: halves, quarters, and so on down to single ones.
    fn fewer<T: Clone>(&mut self, list: impl Fn(&mut Plan) -> &mut Vec<T>) {
        let mut size = list(&mut self.best).len().div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < list(&mut self.best).len() {
                let mut plan = self.best.clone();
                let all = list(&mut plan);
                let end = (start + size).min(all.len());
                all.drain(start..end);
                if !self.attempt(plan) {
                    start += size;
                }
            }
            size /= 2;
        }
    }

    fn fewer_nodes(&mut self) {
        for nodes in [3, 5] {
            if nodes < self.best.nodes {
                let mut plan = self.best.clone();
                plan.nodes = nodes;
                if self.attempt(plan) {
                    return;
                }
            }
        }
    }

    /// Ends the faulty part where the rule was broken, or earlier.
    fn end_early(&mut self) {
        let at = self.violation.at + Duration::from_millis(200);
        for length in [at / 4, at / 2, at] {
            if length < self.best.length || self.best.operations > 0 {
                let mut plan = self.best.clone();
                plan.length = length.min(plan.length);
                plan.operations = 0;
                if self.attempt(plan) {
                    return;
                }
            }
        }
    }

    fn fewer_operations(&mut self) {
        for most in [4, 8, 16, 32, 64] {
            let mut plan = self.best.clone();
            for client in &mut plan.clients {
                if client.most == 0 || client.most > most {
                    client.most = most;
                }
            }
            if self.attempt(plan) {
                return;
            }
        }
    }
}
