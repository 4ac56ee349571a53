//! Runs some of whose rows are lost.
//!
//! A run's rows are written one for each operation, `all` last. One that was cut off meanwhile has
//! the first of them, and would pass for a whole run of fewer operations: others tell that it is
//! none.

use std::collections::{HashMap, HashSet};

use telegraft_loadgen::results::{Problem, Row as _, RunRow};

use crate::data::{ALL, Configuration, Run};

/// Of each of `runs`, the operations whose rows it lacks: those that another trial of its
/// configuration has, and `all` where another run of its directory has it.
pub(crate) fn lacking(runs: &[&Run]) -> Vec<Vec<String>> {
    let mut operations: HashMap<Configuration<'_>, Vec<&str>> = HashMap::new();
    let mut with_all: HashSet<usize> = HashSet::new();
    for run in runs {
        let known = operations.entry(run.configuration()).or_default();
        for row in &run.rows {
            if !known.contains(&row.op.as_str()) {
                known.push(&row.op);
            }
            if row.op == ALL {
                with_all.insert(run.source);
            }
        }
    }
    let of_run = |run: &&Run| {
        let known = operations.get(&run.configuration());
        let mut expected = known.cloned().unwrap_or_default();
        if with_all.contains(&run.source) && !expected.contains(&ALL) {
            expected.push(ALL);
        }
        expected.retain(|op| run.row(op).is_none());
        expected.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    runs.iter().map(of_run).collect()
}

/// `its row "all" is missing`; none where nothing is.
pub(crate) fn told(lacking: &[String]) -> Option<String> {
    let quoted: Vec<String> = lacking.iter().map(|op| format!("{op:?}")).collect();
    match quoted.as_slice() {
        [] => None,
        [one] => Some(format!("its row {one} is missing")),
        several => Some(format!("its rows {} are missing", several.join(", "))),
    }
}

/// The same of a run, as a problem of its file.
pub(crate) fn problem(run: &Run) -> Option<Problem> {
    Some(Problem {
        file: RunRow::FILE.to_owned(),
        line: None,
        reason: format!(
            "{}: {}: it does not count",
            run.any().run_id,
            told(&run.lacking)?
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::VALID;
    use crate::shards::tests::run;

    /// A run with rows of these operations.
    fn with(ops: &[&str], source: usize, hash: &str) -> Run {
        let rows = ops.iter().map(|op| {
            let mut row = run("", &[1_000], 0).rows.remove(0);
            (row.op, row.config_hash) = ((*op).to_owned(), hash.to_owned());
            row
        });
        let mut run = Run::new(rows.collect());
        run.source = source;
        run
    }

    fn found(runs: &[Run]) -> Vec<Vec<String>> {
        lacking(&runs.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_run_lacks_what_another_trial_has() {
        let runs = [
            with(&["send", "read", "all"], 0, "a"),
            with(&["send"], 1, "a"),
            with(&["send", "all"], 1, "a"),
            with(&["read", "all"], 0, "b"),
        ];
        let none: [&str; 0] = [];
        assert_eq!(
            found(&runs),
            [&none[..], &["read", "all"], &["read"], &none[..]]
        );
    }

    /// The only trial of its configuration has others of the same program beside it.
    #[test]
    fn a_run_lacks_the_row_of_all_operations_where_its_neighbours_have_it() {
        let runs = [
            with(&["send", "all"], 0, "a"),
            with(&["send"], 0, "b"),
            with(&["send"], 1, "c"),
        ];
        assert_eq!(found(&runs), [vec![], vec!["all".to_owned()], vec![]]);
    }

    #[test]
    fn a_run_that_lacks_rows_does_not_count_and_says_so() {
        let mut run = with(&["send"], 0, "a");
        assert!(run.valid() && run.verdict() == VALID && problem(&run).is_none());
        run.lacking = vec!["read".to_owned(), "all".to_owned()];
        assert!(!run.valid());
        let wrong = "its rows \"read\", \"all\" are missing";
        assert_eq!(run.verdict(), format!("incomplete: {wrong}"));
        run.rows[0].verdict = "invalid:errors".to_owned();
        assert_eq!(
            run.verdict(),
            format!("invalid:errors; incomplete: {wrong}")
        );
        let told = problem(&run).map(|problem| problem.reason);
        let line = format!("telegraft-3-send-t1: {wrong}: it does not count");
        assert_eq!(told, Some(line));
    }
}
