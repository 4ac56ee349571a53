//! Writing a suite as one file that reads as the same suite again.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::load::{DURABILITIES, MAILBOXES};
use super::read::{ACTIONS, CONSISTENCIES, PAGES, SPACINGS, TARGETS};
use super::workload::{
    Arrival, Fault, Operations, Polling, Popularity, Population, Sizes, Slo, Stage, Think, Workload,
};
use super::{Part, Suite, System};
use crate::plan::Kind;
use crate::values::{duration_text, size_text};

/// The suite as one file, enough to run it again; `nonce` is noted in it.
pub fn resolved_text(suite: &Suite, nonce: &str) -> String {
    let mut out = Out(String::new());
    out.key("name", quoted(&suite.name));
    if !suite.description.is_empty() {
        out.key("description", quoted(&suite.description));
    }
    out.key("nonce", quoted(nonce));
    out.product(&suite.systems, &suite.replicas, &suite.workloads);
    out.key("warmup", time(suite.warmup));
    out.key("duration", time(suite.duration));
    out.key("trials", suite.trials);
    // TOML promises 63 bits; text holds all.
    match i64::try_from(suite.seed) {
        Ok(seed) => out.key("seed", seed),
        Err(_) => out.key("seed", quoted(&suite.seed.to_string())),
    }
    out.key("durability", name(suite.durability, &DURABILITIES));
    out.key("mailbox", name(suite.mailbox, &MAILBOXES));
    for part in &suite.also {
        out.part(part);
    }
    let mut written: Vec<&Workload> = Vec::new();
    let everywhere = suite.also.iter().flat_map(|part| &part.workloads);
    for workload in suite.workloads.iter().chain(everywhere) {
        // One that several name is the same one.
        if !written.iter().any(|other| other.name == workload.name) {
            out.workload(workload);
            written.push(workload);
        }
    }
    out.0
}

/// Text in quotes, with what needs it escaped.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn time(duration: Duration) -> String {
    quoted(&duration_text(duration))
}

/// A size as people write it: as a number, where the unit would say no more.
fn size(bytes: usize) -> String {
    let text = size_text(bytes as u64);
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text
    } else {
        quoted(&text)
    }
}

/// What a value is called in files.
fn name<T: PartialEq>(value: T, all: &[(&str, T)]) -> String {
    let found = all.iter().find(|(_, other)| *other == value);
    quoted(found.expect("every value has a name").0)
}

fn list(values: impl IntoIterator<Item = impl Display>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    format!("[{}]", values.join(", "))
}

struct Out(String);

impl Out {
    fn line(&mut self, line: impl Display) {
        writeln!(self.0, "{line}").expect("a string takes every text");
    }

    fn key(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {value}"));
    }

    fn table(&mut self, path: impl Display) {
        self.line(format_args!("\n[{path}]"));
    }

    fn product(&mut self, systems: &[System], replicas: &[usize], workloads: &[Workload]) {
        let systems = systems.iter().map(|system| quoted(system.name()));
        self.key("systems", list(systems));
        self.key("replicas", list(replicas));
        let workloads = workloads.iter().map(|workload| quoted(&workload.name));
        self.key("workloads", list(workloads));
    }

    fn part(&mut self, part: &Part) {
        self.line("\n[[also]]");
        self.key("name", quoted(&part.name));
        self.product(&part.systems, &part.replicas, &part.workloads);
        self.key("trials", part.trials);
        self.key("durability", name(part.durability, &DURABILITIES));
        self.key("mailbox", name(part.mailbox, &MAILBOXES));
        if let Some(consistency) = part.consistency {
            self.key("consistency", name(consistency, &CONSISTENCIES));
        }
        if let Some(targets) = part.targets {
            self.key("targets", quoted(targets.name()));
        }
        if let Some(clients) = part.clients {
            self.key("clients", clients);
        }
        if let Some(rate) = part.rate {
            self.key("rate", rate);
        }
    }

    fn workload(&mut self, workload: &Workload) {
        let path = format!("workload.{}", workload.name);
        self.table(&path);
        if !workload.description.is_empty() {
            self.key("description", quoted(&workload.description));
        }
        self.key("message_bytes", sizes(&workload.message_bytes));
        self.key("consistency", name(workload.consistency, &CONSISTENCIES));
        self.key("targets", quoted(workload.targets.name()));
        if let Some(share) = workload.max_errors {
            self.key("max_errors", share);
        }
        self.arrival(&path, &workload.arrival);
        // A trace has its own.
        if !matches!(workload.arrival, Arrival::Trace { .. }) {
            self.population(&path, &workload.population);
            self.operations(&path, &workload.operations);
        }
        if let Some(polling) = &workload.polling {
            self.polling(&path, polling);
        }
        for (operation, slo) in &workload.slo {
            self.slo(&format!("{path}.slo.{operation}"), slo);
        }
        for fault in &workload.faults {
            self.fault(&path, fault);
        }
    }

    fn arrival(&mut self, path: &str, arrival: &Arrival) {
        self.table(format_args!("{path}.arrival"));
        self.key("model", quoted(arrival.name()));
        match arrival {
            Arrival::Closed { clients, think } => {
                self.key("clients", clients);
                match think {
                    Think::None => {}
                    Think::Fixed(length) => self.key("think", time(*length)),
                    Think::Uniform(from, to) => {
                        let range = list([time(*from), time(*to)]);
                        self.key("think", format_args!("{{ uniform = {range} }}"));
                    }
                    Think::Exponential(mean) => {
                        self.key("think", format_args!("{{ exponential = {} }}", time(*mean)));
                    }
                }
            }
            Arrival::Open {
                connections,
                spacing,
                stages,
            } => {
                self.key("connections", connections);
                self.key("spacing", name(*spacing, &SPACINGS));
                if let [
                    Stage {
                        rate,
                        to: None,
                        length: None,
                    },
                ] = stages.as_slice()
                {
                    self.key("rate", rate);
                    return;
                }
                for stage in stages {
                    self.line(format_args!("\n[[{path}.arrival.stages]]"));
                    self.key("rate", stage.rate);
                    if let Some(to) = stage.to {
                        self.key("to", to);
                    }
                    if let Some(length) = stage.length {
                        self.key("for", time(length));
                    }
                }
            }
            Arrival::Trace {
                file,
                speed,
                connections,
            } => {
                // Its path is UTF-8: nothing reads another one.
                self.key("file", quoted(&file.to_string_lossy()));
                self.key("speed", speed);
                self.key("connections", connections);
            }
        }
    }

    fn population(&mut self, path: &str, population: &Population) {
        self.table(format_args!("{path}.population"));
        self.key("users", population.users);
        self.key("rooms", population.rooms);
        self.key("rooms_per_user", population.rooms_per_user);
        self.key("room_sizes", popularity(population.room_sizes));
        self.key("popularity", popularity(population.popularity));
        self.key("prefill", population.prefill);
    }

    fn operations(&mut self, path: &str, operations: &Operations) {
        let weighted = operations.sequence.is_empty();
        if !weighted {
            self.table(format_args!("{path}.operations"));
            let names = operations.sequence.iter().map(|kind| quoted(kind.name()));
            self.key("sequence", list(names));
        }
        let simple = [
            (Kind::Send, operations.send),
            (Kind::Join, operations.join),
            (Kind::CreateRoom, operations.create_room),
        ];
        for (kind, weight) in simple {
            let Some(weight) = weight.filter(|_| weighted) else {
                continue;
            };
            self.table(format_args!("{path}.operations.{}", kind.name()));
            self.key("weight", weight.weight);
        }
        if let Some(read) = operations.read {
            self.table(format_args!("{path}.operations.read"));
            if weighted {
                self.key("weight", read.weight);
            }
            self.key("page", name(read.page, &PAGES));
            self.key("limit", read.limit);
        }
        if let Some(inbox) = operations.inbox {
            self.table(format_args!("{path}.operations.inbox"));
            if weighted {
                self.key("weight", inbox.weight);
            }
            self.key("limit", inbox.limit);
        }
    }

    fn polling(&mut self, path: &str, polling: &Polling) {
        self.table(format_args!("{path}.polling"));
        self.key("every", time(polling.every));
        if let Some(users) = polling.users {
            self.key("users", users);
        }
        self.key("limit", polling.limit);
    }

    fn slo(&mut self, path: &str, slo: &Slo) {
        self.table(path);
        for (key, limit) in slo.responses() {
            if let Some(limit) = limit {
                self.key(key, time(limit));
            }
        }
        if let Some(failed) = slo.failed {
            self.key("failed", failed);
        }
        if let Some(ok_per_s) = slo.ok_per_s {
            self.key("ok_per_s", ok_per_s);
        }
    }

    fn fault(&mut self, path: &str, fault: &Fault) {
        self.line(format_args!("\n[[{path}.faults]]"));
        self.key("at", time(fault.at));
        self.key("action", name(fault.action, &ACTIONS));
        self.key("to", name(fault.to, &TARGETS));
        if let Some(lasts) = fault.lasts {
            self.key("for", time(lasts));
        }
    }
}

fn sizes(sizes: &Sizes) -> String {
    match sizes {
        Sizes::Fixed(bytes) => size(*bytes),
        Sizes::Uniform(from, to) => format!("{{ uniform = {} }}", list([size(*from), size(*to)])),
        Sizes::LogNormal { median, sigma, max } => format!(
            "{{ log-normal = {{ median = {}, sigma = {sigma}, max = {} }} }}",
            size(*median),
            size(*max)
        ),
        Sizes::Table(rows) => {
            let rows = rows
                .iter()
                .map(|(bytes, weight)| list([size(*bytes), weight.to_string()]));
            format!("{{ table = {} }}", list(rows))
        }
    }
}

fn popularity(popularity: Popularity) -> String {
    match popularity {
        Popularity::Uniform => quoted("uniform"),
        Popularity::Zipf(exponent) => format!("{{ zipf = {exponent} }}"),
        Popularity::Hot { rooms, share } => {
            format!("{{ hot = {{ rooms = {rooms}, share = {share} }} }}")
        }
        Popularity::Latest(exponent) => format!("{{ latest = {exponent} }}"),
    }
}
