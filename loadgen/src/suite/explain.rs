//! What a workload will do, in sentences: for those who wrote it, before it is run.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use telegraft_cluster::http::Consistency;

use super::forecast::{Rates, members, shares};
use super::workload::{
    Arrival, Fault, FaultAction, FaultTarget, Popularity, Population, ReadPage, Sizes, Slo,
    Spacing, Think, Workload,
};
use crate::values::duration_text;

/// Says who is there, what is done and how often, and what is expected of a run that goes for
/// `warmup` before it counts for `duration`.
pub fn explain(workload: &Workload, warmup: Duration, duration: Duration) -> String {
    let mut out = Out(String::new());
    out.line(&workload.name);
    if !workload.description.is_empty() {
        out.line(format_args!(
            "  {}.",
            workload.description.trim_end_matches('.')
        ));
    }
    if let Arrival::Trace { file, .. } = &workload.arrival {
        out.head("Who is there");
        out.line(format_args!(
            "  Whom the recording names: {}.",
            file.display()
        ));
    } else {
        out.population(&workload.population);
        out.messages(&workload.message_bytes);
    }
    out.arrival(workload, warmup, duration);
    out.operations(workload, duration);
    out.reads(workload);
    out.limits(workload);
    out.faults(&workload.faults, duration);
    out.0
}

/// A number as people say it: three digits, or all of a whole one.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// `1 room`, `3 rooms`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn seconds(seconds: f64) -> String {
    format!("{}s", number(seconds))
}

struct Out(String);

impl Out {
    fn line(&mut self, line: impl Display) {
        writeln!(self.0, "{line}").expect("a string takes every text");
    }

    fn head(&mut self, head: &str) {
        self.line(format_args!("\n{head}"));
    }

    /// Columns of text: the first to the left, the others to the right.
    fn table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in rows {
            let mut line = format!("  {:<1$}", row[0], widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(line, "  {cell:>width$}").expect("a string takes every text");
            }
            self.line(line.trim_end());
        }
    }

    fn population(&mut self, population: &Population) {
        self.head("Who is there");
        let Population {
            users,
            rooms,
            rooms_per_user,
            prefill,
            ..
        } = *population;
        self.line(format_args!(
            "  {}, {}. Every user is a member of {}.",
            counted(users, "user"),
            counted(rooms, "room"),
            counted(rooms_per_user, "room"),
        ));
        let (least, median, most, exact) = members(population);
        let about = if exact { "" } else { "about " };
        if least == most {
            self.line(format_args!(
                "  Every room has {}.",
                counted(least, "member")
            ));
        } else {
            self.line(format_args!(
                "  Rooms have {about}{least} to {most} members, half of them at most {median}."
            ));
        }
        if prefill > 0 {
            self.line(format_args!(
                "  Every room holds {} before the load begins.",
                counted(prefill, "message")
            ));
        }
        match population.popularity {
            _ if rooms == 1 => {}
            Popularity::Uniform => self.line("  All rooms are as busy."),
            Popularity::Zipf(exponent) => {
                let all: f64 = (1..=rooms).map(|rank| (rank as f64).powf(-exponent)).sum();
                self.line(format_args!(
                    "  Some rooms are busier: {} of all happens in the first (Zipf, exponent {}).",
                    percent(1.0 / all),
                    number(exponent)
                ));
            }
            Popularity::Hot { rooms, share } => self.line(format_args!(
                "  {} of all happens in {}.",
                percent(share),
                if rooms == 1 {
                    "one room".to_owned()
                } else {
                    format!("the first {rooms} rooms")
                }
            )),
            Popularity::Latest(exponent) => self.line(format_args!(
                "  Where something happened last, the next thing happens (Zipf by how long ago, \
                 exponent {}).",
                number(exponent)
            )),
        }
    }

    fn messages(&mut self, sizes: &Sizes) {
        self.head("Messages");
        if let Sizes::Fixed(bytes) = sizes {
            return self.line(format_args!("  {bytes} bytes each."));
        }
        let (least, most) = sizes.range();
        self.line(format_args!(
            "  {least} to {most} bytes: {} on average, half of them at most {}, 99 % at most {}.",
            number(sizes.mean().round()),
            sizes.p50(),
            sizes.p99()
        ));
    }

    fn arrival(&mut self, workload: &Workload, warmup: Duration, duration: Duration) {
        self.head("When");
        let measured = duration.as_secs_f64();
        match &workload.arrival {
            Arrival::Closed { clients, think } => {
                self.line(format_args!(
                    "  Closed loop: each of {} begins the next operation when the one before is \
                     done{}.",
                    counted(*clients, "client"),
                    match think {
                        Think::None => String::new(),
                        Think::Fixed(time) => format!(" and {} have passed", duration_text(*time)),
                        Think::Uniform(from, to) => format!(
                            " and {} to {} have passed",
                            duration_text(*from),
                            duration_text(*to)
                        ),
                        Think::Exponential(mean) =>
                            format!(" and {} on average have passed", duration_text(*mean)),
                    }
                ));
            }
            Arrival::Open {
                connections,
                spacing,
                stages,
            } => {
                let spacing = match spacing {
                    Spacing::Poisson => "at random times (Poisson)",
                    Spacing::Constant => "evenly spaced",
                };
                self.line(format_args!(
                    "  Open loop: operations are due {spacing}, however long others take; at most \
                     {} are open at a time.",
                    connections
                ));
                let rates = Rates(stages);
                let mut rows = vec![
                    ["from", "to", "a second", "due"]
                        .map(str::to_owned)
                        .to_vec(),
                ];
                for span in rates.spans(measured) {
                    let rate = if span.first == span.last {
                        number(span.first)
                    } else {
                        format!("{} to {}", number(span.first), number(span.last))
                    };
                    rows.push(vec![
                        seconds(span.from),
                        seconds(span.to),
                        rate,
                        number(span.due().round()),
                    ]);
                }
                self.table(&rows);
                let planned = stages.iter().filter_map(|stage| stage.length);
                let planned: Duration = planned.sum();
                if planned > duration {
                    self.line(format_args!(
                        "  The stages take {}: the run is over before they are.",
                        duration_text(planned)
                    ));
                }
            }
            Arrival::Trace {
                file,
                speed,
                connections,
            } => self.line(format_args!(
                "  As in {}{}; at most {connections} operations are open at a time.",
                file.display(),
                if *speed == 1.0 {
                    String::new()
                } else {
                    format!(", {} times as fast", number(*speed))
                }
            )),
        }
        if let Some(polling) = &workload.polling {
            let online = match polling.users {
                Some(users) if users < workload.population.users => {
                    format!("{} are online and read", counted(users, "user"))
                }
                _ => "All users are online and read".to_owned(),
            };
            self.line(format_args!(
                "  {online} their inbox every {}.",
                duration_text(polling.every)
            ));
        }
        if !warmup.is_zero() {
            let first = match &workload.arrival {
                Arrival::Open { stages, .. } => stages.first().map(|stage| stage.rate),
                _ => None,
            };
            let at =
                first.map_or_else(String::new, |rate| format!(" at {} a second", number(rate)));
            self.line(format_args!(
                "  Before that, a warm-up of {}{at}, which does not count.",
                duration_text(warmup)
            ));
        }
    }

    fn operations(&mut self, workload: &Workload, duration: Duration) {
        let shares = shares(&workload.operations);
        let measured = duration.as_secs_f64();
        let stages = match &workload.arrival {
            Arrival::Trace { .. } => return,
            Arrival::Open { stages, .. } => Some(stages),
            Arrival::Closed { .. } => None,
        };
        self.head("What");
        if !workload.operations.sequence.is_empty() {
            let names = workload.operations.sequence.iter().map(|kind| kind.name());
            self.line(format_args!(
                "  In turn: {}.",
                names.collect::<Vec<_>>().join(", ")
            ));
        }
        let Some(stages) = stages else {
            let rows = shares.iter().map(|(kind, share)| {
                let name = kind.name().to_owned();
                vec![name, percent(*share)]
            });
            self.table(&rows.collect::<Vec<_>>());
            return self.closed(workload, duration);
        };
        let arrivals = Rates(stages).due(measured);
        let polls = workload
            .polling
            .map(|polling| polling.rate(&workload.population) * measured);
        let all = arrivals + polls.unwrap_or(0.0);
        let mut rows = vec![
            ["", "share", "a second", "expected"]
                .map(str::to_owned)
                .to_vec(),
        ];
        let mut row = |name: &str, due: f64| {
            rows.push(vec![
                name.to_owned(),
                // Nothing may be due in so short a run.
                percent(if all > 0.0 { due / all } else { 0.0 }),
                number(due / measured),
                number(due.round()),
            ]);
        };
        for (kind, share) in &shares {
            row(kind.name(), share * arrivals);
        }
        if let Some(polls) = polls {
            row("inbox (polls)", polls);
        }
        row("all", all);
        self.table(&rows);
    }

    /// How many operations a closed loop does.
    fn closed(&mut self, workload: &Workload, duration: Duration) {
        let Arrival::Closed { clients, think } = &workload.arrival else {
            return;
        };
        let pause = match think {
            Think::None => Duration::ZERO,
            Think::Fixed(time) | Think::Exponential(time) => *time,
            Think::Uniform(from, to) => (*from + *to) / 2,
        };
        if pause.is_zero() {
            return self.line("  How many a second is what a run finds out.");
        }
        let most = *clients as f64 / pause.as_secs_f64();
        self.line(format_args!(
            "  How many a second is what a run finds out: below {}, {} in all, for even with \
             immediate answers clients pause.",
            number(most),
            number((most * duration.as_secs_f64()).round())
        ));
    }

    fn reads(&mut self, workload: &Workload) {
        if let Some(read) = workload.operations.read {
            let page = match read.page {
                ReadPage::Latest => "the latest messages of a room",
                ReadPage::SinceLastSeen => "what came since the user last read the room",
            };
            self.line(format_args!(
                "  A read takes {page}, {} at most.",
                read.limit
            ));
        }
        let inbox = workload.operations.inbox.map(|inbox| inbox.limit);
        if let Some(limit) = inbox.or(workload.polling.map(|polling| polling.limit)) {
            self.line(format_args!(
                "  An inbox read takes what is new in all of a user's rooms, {limit} at most."
            ));
        }
        let how = match workload.consistency {
            Consistency::Linearizable => "linearizable",
            Consistency::Lease => "linearizable by the leader's lease",
            Consistency::Local => "local: as old as the replica is behind",
        };
        self.line(format_args!(
            "  Reads are {how}; targets: {}.",
            workload.targets
        ));
    }

    fn limits(&mut self, workload: &Workload) {
        self.head("What it must reach");
        match workload.max_errors {
            Some(share) => self.line(format_args!(
                "  At most {} of the operations fail, or the run is invalid.",
                percent(share)
            )),
            None => self.line("  Any number of operations may fail."),
        }
        for (operation, slo) in &workload.slo {
            self.line(format_args!(
                "  SLO of {operation}: {}.",
                goals(slo).join(", ")
            ));
        }
        if workload.slo.is_empty() {
            self.line("  No SLO.");
        }
    }

    fn faults(&mut self, faults: &[Fault], duration: Duration) {
        if faults.is_empty() {
            return;
        }
        self.head("What happens meanwhile");
        for fault in faults {
            let whom = match fault.to {
                FaultTarget::Leader => "the leader",
                FaultTarget::Follower => "a follower",
            };
            let (what, back) = match fault.action {
                FaultAction::Kill => ("is killed (SIGKILL)", "is started again"),
                FaultAction::Pause => ("is stopped (SIGSTOP)", "goes on"),
                FaultAction::Restart => ("is ended (SIGTERM) and started again at once", ""),
            };
            let then = match fault.lasts {
                _ if fault.action == FaultAction::Restart => String::new(),
                Some(lasts) if fault.at + lasts < duration => {
                    format!("; it {back} {} later", duration_text(lasts))
                }
                _ => format!("; it {back} when the load is over"),
            };
            let never = if fault.at < duration {
                ""
            } else {
                " (after the end of this run)"
            };
            self.line(format_args!(
                "  After {}{never} {whom} {what}{then}.",
                duration_text(fault.at)
            ));
        }
    }
}

/// What it asks for, part by part, for people.
pub(crate) fn goals(slo: &Slo) -> Vec<String> {
    let mut goals = Vec::new();
    for (name, limit) in slo.responses() {
        if let Some(limit) = limit {
            let name = name.replace("response_", "");
            goals.push(format!("response {name} at most {}", duration_text(limit)));
        }
    }
    if let Some(failed) = slo.failed {
        goals.push(format!("at most {} fail", percent(failed)));
    }
    if let Some(rate) = slo.ok_per_s {
        goals.push(format!("at least {} succeed a second", number(rate)));
    }
    goals
}
