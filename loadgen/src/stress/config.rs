//! `suite.toml` of a stress run: all that it takes to do it again.

use serde::Serialize;
use telegraft_cluster::node::Mailbox;

use super::plan::Plan;
use crate::values::duration_text;

#[derive(Serialize)]
struct Config<'a> {
    name: &'a str,
    nonce: &'a str,
    stress: Stress<'a>,
    fault: Vec<Fault>,
}

#[derive(Serialize)]
struct Stress<'a> {
    replicas: usize,
    duration: String,
    seed: u64,
    faults: Vec<&'a str>,
    clients: usize,
    rooms: usize,
    mailbox: &'a str,
    links: &'a str,
    segment_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_bytes: Option<u64>,
    skipped: &'a [String],
    command: String,
}

#[derive(Serialize)]
struct Fault {
    at: String,
    lasts: String,
    kind: &'static str,
    what: String,
}

/// As it stands in `runs.csv`, too.
pub(super) fn mailbox(mailbox: Mailbox) -> &'static str {
    match mailbox {
        Mailbox::Lanes => "lanes",
        Mailbox::Fifo => "fifo",
    }
}

/// How the replicas reach each other, as `verdict.json` has it, too.
pub(super) fn links(plan: &Plan) -> &'static str {
    if plan.job.namespaces {
        "namespaces"
    } else {
        "proxies"
    }
}

/// The file's text.
pub(super) fn text(plan: &Plan, nonce: &str) -> String {
    let faults = plan.schedule.faults.iter();
    let config = Config {
        name: "stress",
        nonce,
        stress: Stress {
            replicas: plan.job.replicas,
            duration: duration_text(plan.job.duration),
            seed: plan.seed,
            faults: plan.kinds.iter().map(|kind| kind.name()).collect(),
            clients: plan.job.clients,
            rooms: plan.job.rooms,
            mailbox: mailbox(plan.job.mailbox),
            links: links(plan),
            segment_bytes: super::plan::SEGMENT_BYTES,
            disk_bytes: plan.disk().map(|disk| disk.bytes),
            skipped: &plan.skipped,
            command: plan.command(),
        },
        fault: faults
            .map(|fault| Fault {
                at: duration_text(fault.at),
                lasts: duration_text(fault.lasts),
                kind: fault.action.kind().name(),
                what: fault.action.to_string(),
            })
            .collect(),
    };
    let text = toml::to_string_pretty(&config).expect("numbers and text have a TOML form");
    format!("# A run of `telegraft stress`: stress.command does it again.\n\n{text}")
}
