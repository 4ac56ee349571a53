//! Runs of `telegraft stress`: their verdicts, and what may be said after them.

use telegraft_loadgen::stress::{FaultKind, Judgement, StressVerdict};

/// A stress run.
#[derive(Clone, Debug)]
pub(crate) struct Stress {
    /// What the run is called in the report.
    pub(crate) name: String,
    /// The run, as in the files.
    pub(crate) run_id: String,
    /// The directory that it is from.
    pub(crate) source: usize,
    /// What `verdict/<run_id>.json` says; none where that is missing or bad.
    pub(crate) verdict: Option<StressVerdict>,
    /// Pictures of the first violations, in their order.
    pub(crate) pictures: Vec<Picture>,
}

/// The operations of a violation over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Its file, in the result directory.
    pub(crate) file: String,
    /// The violation that it shows, from 0.
    pub(crate) nth: usize,
    /// As it stands in the file.
    pub(crate) svg: String,
}

/// What a run says of the cluster's promises. The worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// One was broken.
    Violated,
    /// None was seen to be broken, and the run shows less than it was to show.
    Inconclusive,
    /// None was broken.
    Consistent,
}

impl Answer {
    /// In a word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Answer::Violated => "violated",
            Answer::Inconclusive => "inconclusive",
            Answer::Consistent => "consistent",
        }
    }
}

impl Stress {
    /// What the run says. The file's own judgement counts as long as nothing in the file is worse.
    pub(crate) fn answer(&self) -> Answer {
        let broken = |verdict: &StressVerdict| {
            verdict.judgement == Judgement::Violated
                || !verdict.check.is_consistent()
                || verdict.wrong_answers > 0
        };
        match self.verdict.as_ref().is_some_and(broken) {
            true => Answer::Violated,
            false if self.doubts().is_empty() => Answer::Consistent,
            false => Answer::Inconclusive,
        }
    }

    /// Why the run shows less than it was to show, each in a few words; nothing where it does not.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let Some(verdict) = &self.verdict else {
            return vec!["there is no verdict of it that can be read".to_owned()];
        };
        let check = &verdict.check;
        let interrupted = verdict.judgement == Judgement::Interrupted;
        let mut doubts = Vec::new();
        if interrupted {
            doubts.push("it was interrupted".to_owned());
        }
        match verdict.deaths.len() {
            0 => {}
            1 => doubts.push("a replica died by itself".to_owned()),
            n => doubts.push(format!("replicas died by themselves, {n} times")),
        }
        let failures = verdict.failures.iter();
        doubts.extend(failures.map(|failure| failure.lines().next().unwrap_or("").to_owned()));
        if verdict.heal_ms.is_none() && !interrupted {
            doubts.push("the cluster was not seen to heal after the faults".to_owned());
        }
        if verdict.faults.is_empty() {
            doubts.push("no fault was asked for".to_owned());
        }
        let never = verdict
            .faults
            .iter()
            .filter(|(_, tally)| tally.happened == 0);
        let never: Vec<&str> = never
            .map(|(kind, _): (&FaultKind, _)| kind.name())
            .collect();
        if !never.is_empty() {
            let never = never.join(", ");
            doubts.push(format!("asked for, and never with an effect: {never}"));
        }
        if check.acknowledged == 0 {
            doubts.push("no message was acknowledged, so that none could be lost".to_owned());
        }
        let told = matches!(
            verdict.judgement,
            Judgement::Failed | Judgement::Inconclusive
        );
        if doubts.is_empty() && told {
            let reason = verdict.reasons.first().map(String::as_str);
            doubts.push(reason.unwrap_or("its verdict does not say why").to_owned());
        }
        doubts
    }

    /// Operations that were checked, whatever came of them.
    pub(crate) fn operations(&self) -> u64 {
        let verdict = self.verdict.iter();
        let operations = verdict.flat_map(|verdict| &verdict.check.operations);
        let each = operations.flat_map(|of| [of.ok, of.failed, of.unknown]);
        crate::data::sum(each)
    }

    /// Violations of all rules, wrong answers among them.
    pub(crate) fn violations(&self) -> u64 {
        let of = |verdict: &StressVerdict| {
            let rules = verdict.check.violated.values().copied();
            crate::data::sum(rules.chain([verdict.wrong_answers]))
        };
        self.verdict.as_ref().map_or(0, of)
    }
}
