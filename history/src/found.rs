//! Gathers what the judges find.

use std::collections::{BTreeMap, HashSet};

use crate::rule::Rule;
use crate::store::{NONE, Store};

/// Of each rule, so many violations are kept to choose the first ones from; all are counted.
const KEPT: u64 = 1000;

/// A violation that is not explained yet.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) rule: Rule,
    pub(crate) why: String,
    /// Lines of the operations that contradict each other.
    pub(crate) lines: Vec<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) counts: BTreeMap<Rule, u64>,
    kept: Vec<Raw>,
    once: HashSet<(Rule, u32)>,
    /// Reads that are found wrong already: what follows from that is not told again.
    pub(crate) wrong_reads: HashSet<u32>,
}

impl Found {
    /// A violation; `lines` are of the operations that it is about, [`NONE`] is passed over.
    pub(crate) fn add(&mut self, rule: Rule, lines: &[u32], why: impl FnOnce() -> String) {
        let count = self.counts.entry(rule).or_default();
        *count += 1;
        if *count <= KEPT {
            self.kept.push(Raw {
                rule,
                why: why(),
                lines: lines.iter().copied().filter(|&line| line != NONE).collect(),
            });
        }
    }

    /// The same, but one for each message.
    pub(crate) fn once(
        &mut self,
        rule: Rule,
        message: u32,
        lines: &[u32],
        why: impl FnOnce() -> String,
    ) {
        if self.once.insert((rule, message)) {
            self.add(rule, lines, why);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The first `many`, by when they show, with all the lines of their operations in order.
    pub(crate) fn first(self, many: usize, store: &Store) -> Vec<Raw> {
        let mut kept = self.kept;
        for raw in &mut kept {
            let mut lines: Vec<u32> = raw
                .lines
                .iter()
                .flat_map(|&line| store.lines_of(line))
                .collect();
            lines.sort_by_key(|&line| store.clock.rank(line));
            lines.dedup();
            raw.lines = lines;
        }
        // Stable: of what shows at once, the rule that was looked at first says most.
        kept.sort_by_key(|raw| raw.lines.last().map(|&line| store.clock.rank(line)));
        kept.truncate(many);
        kept
    }
}
