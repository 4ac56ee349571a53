//! The report of result directories: `report.md`, its tables, and a shorter text for the terminal.
//!
//! What a report consists of is a document of sections, tables and figures; how that is written is
//! another matter:
//!
//! | file | what |
//! |---|---|
//! | `design.rs`, `results/`, `original.rs`, `threats.rs`, `runs.rs`, `reproduce.rs` | the parts of a report, in its order |
//! | `document.rs`, `table/`, `text.rs` | what they consist of |
//! | `markdown.rs`, `terminal.rs`, `html.rs` | what it is written as |

mod cells;
mod design;
pub(crate) mod document;
mod figures;
mod files;
mod html;
mod markdown;
mod original;
mod reproduce;
mod results;
mod runs;
pub(crate) mod table;
mod terminal;
pub(crate) mod text;
mod threats;

use std::path::{Path, PathBuf};

use crate::AnalysisError;
use crate::data::{Data, Run};
use crate::summary::{Group, groups};
use document::{Block, Document, Section};
use results::{
    USUAL_REPLICAS, consistency, efficiency, failover, find_max, latency, replicas, settings,
    speed, stages, stress,
};
use runs::why_not;
use table::MARK;
use text::Text;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What stands in `report.md`.
    pub markdown: String,
    /// For a terminal of 110 columns; without colours.
    pub terminal: String,
}

/// Writes the report of the result directory `path` into it, from its files alone: `report.md`,
/// `report.html`, each table under `tables/` and each plot under `plots/`.
///
/// Files that are missing or bad are named in it, with line and reason; the rest is reported.
///
/// # Errors
/// When there is no such directory or the report cannot be written.
pub fn write(path: &Path) -> Result<Report, AnalysisError> {
    write_all(&[path.to_owned()], path)
}

/// The same into `out`, which is made if it is absent: one report over the result directories
/// `paths`. A directory that is none and holds some stands for these.
///
/// Shares of one run (equal nonce of the suite, run id, configuration, trial and seed, and
/// `shard` 1/n to n/n) are put together exactly.
///
/// # Errors
/// As those of [`write()`].
pub fn write_all(paths: &[PathBuf], out: &Path) -> Result<Report, AnalysisError> {
    let draft = draft(paths)?;
    draft.write(out)?;
    Ok(draft.report)
}

/// A report that is not written yet: it can be shown even where it cannot be written.
#[derive(Debug)]
pub struct Draft {
    document: Document,
    report: Report,
}

/// The report of the result directories `paths`, of which no file is written.
///
/// # Errors
/// When a directory cannot be read.
pub fn draft(paths: &[PathBuf]) -> Result<Draft, AnalysisError> {
    let data = Data::read(paths)?;
    let context = Context::new(&data);
    let document = compose(&context);
    let report = Report {
        markdown: markdown::markdown(&document),
        terminal: terminal::terminal(&context, &document, &findings(&context)),
    };
    Ok(Draft { document, report })
}

impl Draft {
    /// What it says.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Writes its files into `out`, which is made if it is absent. Tables and plots that an
    /// earlier report left there and this one has not, are removed.
    ///
    /// # Errors
    /// When a directory cannot be made, or a file not be written or removed.
    pub fn write(&self, out: &Path) -> Result<(), AnalysisError> {
        files::write(&self.document, &self.report.markdown, out)?;
        Ok(())
    }
}

/// The report of what was read, as a document.
pub(crate) fn document(data: &Data) -> Document {
    compose(&Context::new(data))
}

/// What the parts of a report are made from.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) data: &'a Data,
    pub(crate) groups: Vec<Group<'a>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(data: &'a Data) -> Self {
        Context {
            data,
            groups: groups(data),
        }
    }

    /// A caption, with the conditions of the runs that it tells of behind it.
    pub(crate) fn caption_of(&self, text: &str, runs: &[&Run]) -> Text {
        let caption = Text::parse(text);
        match design::conditions(self.data, runs).as_str() {
            "" => caption,
            conditions => caption.then(Text::plain(format!(" Conditions: {conditions}."))),
        }
    }

    /// The same for a table or plot of some groups: their valid runs, or all where none is.
    pub(crate) fn caption(&self, text: &str, groups: &[&Group<'_>]) -> Text {
        let all = || groups.iter().flat_map(|group| group.runs.iter().copied());
        let mut runs: Vec<&Run> = all().filter(|run| run.valid()).collect();
        if runs.is_empty() {
            runs = all().collect();
        }
        self.caption_of(text, &runs)
    }

    /// All groups.
    pub(crate) fn all(&self) -> Vec<&Group<'a>> {
        self.groups.iter().collect()
    }

    /// The trials that tables of configurations leave out, and why: what their marks stand for.
    pub(crate) fn left_out(&self) -> Vec<Text> {
        let runs = self.groups.iter().flat_map(|group| &group.runs);
        let invalid: Vec<String> = runs
            .filter(|run| !run.valid())
            .map(|run| format!("{} ({})", run.name, why_not(run)))
            .collect();
        match invalid.is_empty() {
            true => Vec::new(),
            false => vec![Text::plain(format!(
                "{MARK} Not counted: {}.",
                invalid.join(", ")
            ))],
        }
    }

    /// The configuration of each workload that findings are told of: ours, of the usual number of
    /// replicas, as far as there is one. Under faults, none: what a workload reaches, they do not say.
    pub(crate) fn usual_groups(&self) -> Vec<&Group<'a>> {
        let mut workloads: Vec<&str> = Vec::new();
        let mut found: Vec<&Group<'_>> = Vec::new();
        let compared = |group: &&Group<'_>| !group.is_null() && !group.is_stress();
        for group in self.groups.iter().filter(compared) {
            let workload = group.any().workload.as_str();
            if workloads.contains(&workload) {
                continue;
            }
            workloads.push(workload);
            let of_workload = |g: &&&Group<'_>| g.any().workload == workload && !g.is_null();
            let rank = |g: &Group<'_>| {
                let (row, ours) = (g.any(), g.any().system == "telegraft");
                (!ours, row.replicas != USUAL_REPLICAS)
            };
            // The first of equals.
            let all: Vec<&Group<'_>> = self.groups.iter().collect();
            found.extend(
                all.iter()
                    .filter(of_workload)
                    .copied()
                    .min_by_key(|g| rank(g)),
            );
        }
        found
    }
}

/// What the numbers say, in short.
fn findings(context: &Context<'_>) -> Vec<Text> {
    let mut found = stress::short(context);
    found.extend(threats::warnings(context));
    found.extend(consistency::findings(context));
    found.extend(speed::findings(context));
    found.extend(latency::open_findings(context));
    found.extend(replicas::findings(context));
    found.extend(settings::findings(context));
    found.extend(failover::findings(context));
    found
}

/// Suite and time.
fn title(data: &Data) -> String {
    let environment = data.sources.iter().find_map(|s| s.environment.as_ref());
    let started_at = match (environment, data.runs.first()) {
        (Some(environment), _) => Some(&environment.started_at),
        (None, Some(run)) => Some(&run.any().started_at),
        (None, None) => None,
    };
    let mut title = "Telegraft".to_owned();
    let mut suites: Vec<&str> = Vec::new();
    for run in &data.runs {
        if !suites.contains(&run.any().suite.as_str()) {
            suites.push(&run.any().suite);
        }
    }
    match suites.as_slice() {
        [] => {}
        [one] => title += &format!(": suite {one}"),
        several => title += &format!(": suites {}", several.join(", ")),
    }
    if let Some(started_at) = started_at {
        title += &format!(", {started_at}");
    }
    if data.sources.len() > 1 {
        title += &format!(", {} directories", data.sources.len());
    }
    title
}

/// How runs of `telegraft bench` are made.
const FRESH: &str = "\
Each run starts a fresh cluster of real processes, makes the users, rooms and members of its \
workload, loads it for the warm-up and then for the time that counts, and audits every replica.";

/// How those of `telegraft load` are.
const STANDING: &str = "\
These runs loaded a cluster that was up already: users, rooms and members of the workload were made, \
the warm-up went by, then came the time that counts, and every replica was audited as far as it could be \
reached. Where the cluster ran and how its logs were kept, the files do not say.";

/// How those of `telegraft stress` are.
const STRESSED: &str = "\
Each stress run starts a fresh cluster of real processes, whose connections to each other run through links \
that can be made faulty. Clients, each with one operation open at a time, write and read at all replicas, and \
record what they asked and what they were answered, while faults come by a schedule that follows from \
the seed: each kind that was asked for, with quiet windows between. Then all is healed, every room is read from \
every replica, and the record is checked. Rates and latencies of such runs are those of a cluster under faults.";

/// How numbers are made.
const METHOD: [&str; 4] = [
    "*Response time* counts from the moment when an operation was due, *service time* from the moment \
     when a connection took it up. In a closed loop a client's next operation is due when its last is \
     answered, and the two are one; in an open loop operations are due at times of their own, however \
     long others take, so that a stall shows in all that was due meanwhile.",
    "Trials are put together in two ways. *Pooled*: the latencies of all valid trials counted as one, \
     percentiles taken from the sum: what users of all of them met. *Typical trial*: the geometric mean \
     of the trials' values, with its 95 % interval by Student's t on the logarithm: how well that mean is \
     known. Single trials scatter more than it (least–greatest). Ratios have Welch's interval on the \
     logarithm. Fewer than three trials have no interval.",
    "`null` is the same HTTP server, parsing the same requests and answering in equal shape and size, \
     with no consensus and no log behind it: the ceiling that HTTP and the generator set on this machine.",
    "Numbers have the digits that their interval is worth (two significant digits of half its width), \
     or three where there is none.",
];

/// The whole report: its order is that of the original's outline.
fn compose(context: &Context<'_>) -> Document {
    let data = context.data;
    let mut document = Document {
        title: title(data),
        lead: Vec::new(),
        sections: Vec::new(),
    };
    let conditions = design::conditions(data, &data.runs.iter().collect::<Vec<_>>());
    if !conditions.is_empty() {
        document
            .lead
            .push(Block::Paragraph(Text::plain(conditions)));
    }
    let mut short = Section::new("findings", "In short");
    short.list(findings(context));
    document.section(short);
    document.section(experiments(context));
    document.section(outcome(context));

    let mut threats = Section::new("threats", "Threats to validity");
    threats.warnings(threats::warnings(context));
    threats.list(threats::limits(context));
    let mut missing = Section::new("missing", "What is missing");
    let problems = data.problems.iter();
    missing.warnings(problems.map(|p| markdown::warning(p.to_string())).collect());
    threats.section(missing);
    let mut validity = Section::new("validity", "What runs are judged by");
    validity.table(runs::validity(context));
    threats.section(validity);
    document.section(threats);

    document.section(reproduce::section(context));
    let mut all = Section::new("runs", "Audit and verdict of every run");
    all.table(runs::runs(context));
    document.section(all);
    document
}

/// What was run, on what, how.
fn experiments(context: &Context<'_>) -> Section {
    let mut section = Section::new("design", "Design of the evaluation experiments");
    let mut what = Section::new("configurations", "What was run");
    what.blocks
        .extend(design::extent(context).map(Block::Paragraph));
    what.table(design::configurations(context));
    what.table(runs::directories(context.data));
    what.table(runs::shards(context.data));
    section.section(what);
    let mut on_what = Section::new("environment", "On what");
    on_what.table(design::environment(context.data));
    section.section(on_what);
    let mut how = Section::new("method", "How");
    let standing = |run: &&Run| run.standing();
    if context
        .data
        .runs
        .iter()
        .any(|run| !standing(&run) && !run.is_stress())
    {
        how.paragraph(Text::parse(FRESH));
    }
    if context.data.runs.iter().any(|run| standing(&run)) {
        how.paragraph(Text::parse(STANDING));
    }
    let stressed = context.data.runs.iter().any(Run::is_stress);
    if stressed || !context.data.stress.is_empty() {
        how.paragraph(Text::parse(STRESSED));
    }
    // Nothing is held against `null` where there are stress runs alone.
    let stress_alone = stressed && context.data.runs.iter().all(Run::is_stress);
    let method = METHOD
        .iter()
        .filter(|text| !(stress_alone && text.starts_with("`null`")));
    for text in method {
        how.paragraph(Text::parse(text));
    }
    section.section(how);
    section
}

/// The questions, one by one.
fn outcome(context: &Context<'_>) -> Section {
    let mut section = Section::new("results", "Results of the evaluation experiments");
    section.section(stress::section(context));

    let mut part = Section::new("consistency", "Are all replicas consistent?");
    part.list(consistency::findings(context));
    part.table(consistency::table(context));
    part.figures(figures::lags(context));
    section.section(part);

    let mut part = Section::new("speed", "Speed");
    part.list(speed::findings(context));
    part.table(speed::throughput(context));
    part.table(efficiency::table(context));
    part.figures(figures::timelines(context));
    part.table(find_max::table(context));
    section.section(part);

    let mut part = Section::new("latency", "Latency");
    part.list(latency::findings(context));
    part.table(latency::response(context));
    part.table(latency::typical(context));
    part.table(latency::open(context));
    part.table(latency::service(context));
    part.figures(figures::percentiles(context));
    part.figures(figures::offered(context));
    part.table(stages::table(context));
    part.figures(figures::stage_means(context));
    part.table(runs::slos(context));
    section.section(part);

    let mut part = Section::new("replicas", "Number of replicas");
    part.list(replicas::findings(context));
    part.figures(figures::replicas(context));
    part.table(replicas::table(context));
    section.section(part);

    let mut part = Section::new("settings", "Workload and settings");
    part.list(settings::findings(context));
    part.table(settings::table(context));
    part.table(settings::read_modes(context));
    section.section(part);

    let mut part = Section::new("failover", "Fail-over");
    part.list(failover::findings(context));
    part.table(failover::table(context));
    section.section(part);

    let mut part = Section::new("original", "Beside the original");
    part.table(original::table(context));
    section.section(part);
    section
}
