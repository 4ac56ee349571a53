//! The probes of a search for the highest rate.

use crate::number::Number;
use crate::report::Context;
use crate::report::cells;
use crate::report::table::{Cell, Column, MARK, Table};

const CAPTION: &str = "\
The probes of `telegraft find-max`, by rate: what was offered, what was achieved, response times of \
all operations together, and whether the SLO was met. A probe that is not valid says nothing: it \
missed the SLO, and the generator could not keep up.";

const COLUMNS: [Column; 8] = [
    Column::text("directory", "directory").page_only(),
    Column::number("offered_per_s", "offered", "ops/s"),
    Column::number("achieved_per_s", "achieved", "ops/s"),
    Column::number("p50_ms", "p50", "ms"),
    Column::number("p99_ms", "p99", "ms"),
    Column::number("p999_ms", "p99.9", "ms"),
    Column::text("meets_slo", "meets the SLO"),
    Column::text("why", "why not"),
];

/// All of them.
pub(crate) fn table(context: &Context<'_>) -> Table {
    let of_search = |run: &&crate::data::Run| !context.data.sources[run.source].probes.is_empty();
    let runs: Vec<_> = context.data.runs.iter().filter(of_search).collect();
    let mut table = Table::new("find-max", context.caption_of(CAPTION, &runs), &COLUMNS);
    for source in &context.data.sources {
        let mut probes: Vec<_> = source.probes.iter().collect();
        probes.sort_by(|a, b| a.rate_per_s.total_cmp(&b.rate_per_s));
        for probe in probes {
            table.row(vec![
                match context.data.sources.len() {
                    1 => Cell::Unknown,
                    _ => Cell::text(&source.name),
                },
                Cell::Number(Number::setting(probe.rate_per_s)),
                Cell::number(Some(probe.achieved_per_s)),
                cells::latency(probe.p50_us),
                cells::latency(probe.p99_us),
                cells::latency(probe.p999_us),
                Cell::text(match (probe.valid, probe.meets) {
                    (false, _) => format!("{MARK} not valid"),
                    (true, true) => "yes".to_owned(),
                    (true, false) => "no".to_owned(),
                }),
                Cell::text(&probe.why),
            ]);
        }
    }
    table.without_empty_columns()
}
