//! Stress runs over their seconds, with their faults beneath.

use telegraft_loadgen::results::EventRow;
use telegraft_loadgen::stress::FaultKind;

use crate::data::{LEADER, Run};
use crate::plots::{Heading, faults};
use crate::report::Context;
use crate::report::document::Figure;
use crate::report::figures::{figure, of_count};
use crate::stress::Stress;

use super::tables::marked;

/// Runs that are drawn, the worst first.
const MAX_DRAWN: usize = 6;

/// What a replica's end is called that nobody wanted.
const DIED: &str = "died";

/// Throughput over the seconds of some runs, with faults as bands beneath.
pub(super) fn figures(context: &Context<'_>) -> Vec<Figure> {
    let runs = context.data.stress.iter();
    let runs = runs.filter_map(|stress| Some((stress, context.data.run_of(stress)?)));
    let mut runs: Vec<(&Stress, &Run)> = runs
        .filter(|(_, run)| run.timeline.is_some() || !run.events.is_empty())
        .collect();
    runs.sort_by_key(|(stress, _)| stress.answer());
    runs.truncate(MAX_DRAWN);
    let drawn = runs.into_iter().map(|(stress, run)| {
        let what = "Successful operations second by second, while clients used all replicas; beneath, the \
                    faults by kind.";
        figure(faults::draw(&input(stress, run)), what, |text| {
            context.caption_of(text, &[run])
        })
    });
    drawn.collect()
}

fn input(stress: &Stress, run: &Run) -> faults::Faults {
    let end_s = run.any().duration_s;
    let operations = run
        .timeline
        .iter()
        .flat_map(|timeline| &timeline.operations);
    let series = operations.map(|(op, seconds)| faults::Series {
        label: op.clone(),
        seconds: seconds
            .iter()
            .map(|second| (f64::from(second.second), of_count(second.ok)))
            .collect(),
    });
    let kinds = FaultKind::ALL
        .iter()
        .map(|kind| (kind.name(), kind.end_name()));
    let lanes = kinds
        .chain([(DIED, "start")])
        .map(|(name, end)| faults::Lane {
            label: name.to_owned(),
            bands_s: bands(&run.events, name, end, end_s),
        });
    let leaders = run.events.iter().filter(|event| event.event == LEADER);
    faults::Faults {
        heading: Heading {
            name: format!("stress-{}", run.name),
            title: format!("Under faults: {}", marked(stress)),
        },
        series: series.collect(),
        lanes: lanes.filter(|lane| !lane.bands_s.is_empty()).collect(),
        leaders_s: leaders.map(|event| event.at_s).collect(),
        end_s,
    }
}

/// From when to when faults of a kind went on. The end of a replica's fault is told with its id, that
/// of a fault of links with the words that its beginning starts with. What has no end, went on until
/// the load was over.
fn bands(events: &[EventRow], name: &str, end: &str, end_s: f64) -> Vec<(f64, f64)> {
    let mut open: Vec<&EventRow> = Vec::new();
    let mut bands = Vec::new();
    for event in events {
        if event.event == name {
            open.push(event);
        } else if event.event == end {
            let ends = |begun: &&EventRow| {
                let of_links = begun.replica == 0 && begun.detail.starts_with(&event.detail);
                begun.replica == event.replica && (begun.replica > 0 || of_links)
            };
            if let Some(at) = open.iter().position(ends) {
                bands.push((open.remove(at).at_s, event.at_s));
            }
        }
    }
    bands.extend(open.iter().map(|begun| (begun.at_s, end_s.max(begun.at_s))));
    bands.sort_by(|one, other| one.0.total_cmp(&other.0));
    bands
}

#[cfg(test)]
mod tests {
    use super::*;
    use telegraft_loadgen::results::SCHEMA_VERSION;

    fn event(at_s: f64, event: &str, replica: u64, detail: &str) -> EventRow {
        EventRow {
            schema_version: SCHEMA_VERSION,
            run_id: "r".to_owned(),
            at_s,
            event: event.to_owned(),
            replica,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn a_fault_ends_with_the_end_that_is_its_own() {
        let events = [
            event(1.0, "kill", 1, "kill -9 of the leader: replica 1 (1 leads)"),
            event(1.5, "loss", 0, "loss on all links: 20 %: 1–2 (2 leads)"),
            event(2.0, "kill", 2, "kill -9 of a follower: replica 2 (3 leads)"),
            event(
                2.5,
                "partition",
                0,
                "partition: a ring, in silence: 1–3 (3 leads)",
            ),
            event(3.0, "start", 2, ""),
            event(3.5, "mend", 0, "partition: a ring, in silence"),
            event(4.0, "start", 1, ""),
            event(5.0, "pause", 3, "pause of the leader: replica 3 (3 leads)"),
        ];
        let of = |name, end| bands(&events, name, end, 10.0);
        assert_eq!(of("kill", "start"), [(1.0, 4.0), (2.0, 3.0)]);
        assert_eq!(of("partition", "mend"), [(2.5, 3.5)]);
        // Not told to have ended.
        assert_eq!(of("loss", "mend"), [(1.5, 10.0)]);
        assert_eq!(of("pause", "resume"), [(5.0, 10.0)]);
        assert!(of("delay", "mend").is_empty());
    }
}
