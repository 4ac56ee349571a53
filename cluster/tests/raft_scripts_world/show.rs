//! How the scripts print things: one short line each.

use std::collections::BTreeMap;

use telegraft_cluster::raft::{
    Append, AppendResult, Body, Committed, Entry, Fetch, HardState, LogIndex, Message, NodeId,
    Payload, ReadContext, ReadRefusal, Role, Status,
};

/// Short names for the questions of followers, whose real ones begin anywhere.
#[derive(Default)]
pub(crate) struct Names {
    questions: BTreeMap<(NodeId, u64), usize>,
}

impl Names {
    fn question(&mut self, asker: NodeId, context: u64) -> String {
        let next = self.questions.len() + 1;
        let number = self.questions.entry((asker, context)).or_insert(next);
        format!("#{number}")
    }

    pub(crate) fn message(
        &mut self,
        from: NodeId,
        to: NodeId,
        message: &Message,
        lost: bool,
    ) -> String {
        let kind = kind(&message.body);
        let rest = match &message.body {
            Body::RequestVote {
                transfer,
                last_index,
                last_term,
                ..
            } => {
                let transfer = if *transfer { " transfer" } else { "" };
                format!(" last={last_index}/{last_term}{transfer}")
            }
            Body::Vote { granted, .. } => if *granted { " yes" } else { " no" }.to_string(),
            Body::AppendEntries {
                prev_index,
                prev_term,
                entries,
                commit,
                round,
            } => {
                let entries = if entries.is_empty() {
                    String::new()
                } else {
                    format!(" {}", list(entries))
                };
                format!(" after={prev_index}/{prev_term}{entries} commit={commit} round={round}")
            }
            Body::AppendReply { round, result } => match result {
                AppendResult::Matched { durable } => format!(" durable={durable} round={round}"),
                AppendResult::Conflict {
                    prev_index,
                    hint_index,
                    hint_term,
                } => format!(" at={prev_index} hint={hint_index}/{hint_term} round={round}"),
            },
            Body::ReadIndex { context } => format!(" {}", self.question(from, *context)),
            Body::ReadIndexReply { context, index } => {
                let index = index.map_or("none".to_string(), |index| index.to_string());
                format!(" {} index={index}", self.question(to, *context))
            }
            Body::TimeoutNow => String::new(),
        };
        let lost = if lost { " ✗" } else { "" };
        format!("{from}→{to}{lost} t{} {kind}{rest}", message.term)
    }
}

/// A message's kind, as the scripts name it.
pub(crate) fn kind(body: &Body) -> &'static str {
    match body {
        Body::RequestVote { pre_vote: true, .. } => "RequestPreVote",
        Body::RequestVote { .. } => "RequestVote",
        Body::Vote { pre_vote: true, .. } => "PreVote",
        Body::Vote { .. } => "Vote",
        Body::AppendEntries { entries, .. } if entries.is_empty() => "Heartbeat",
        Body::AppendEntries { .. } => "AppendEntries",
        Body::AppendReply {
            result: AppendResult::Matched { .. },
            ..
        } => "Matched",
        Body::AppendReply { .. } => "Conflict",
        Body::ReadIndex { .. } => "ReadIndex",
        Body::ReadIndexReply { .. } => "ReadIndexReply",
        Body::TimeoutNow => "TimeoutNow",
    }
}

fn entry(entry: &Entry) -> String {
    let payload = match &entry.payload {
        Payload::Noop => "noop".into(),
        Payload::Configuration(_) => "configuration".into(),
        Payload::Command(command) => String::from_utf8_lossy(command),
    };
    format!("{}/{} {payload}", entry.index, entry.term)
}

fn list(entries: &[Entry]) -> String {
    let entries: Vec<String> = entries.iter().map(entry).collect();
    format!("[{}]", entries.join(", "))
}

fn hard_state(hard_state: HardState) -> String {
    let vote = hard_state
        .vote
        .map_or("none".into(), |vote| vote.to_string());
    format!("term={} vote={vote}", hard_state.term)
}

pub(crate) fn append(id: NodeId, append: &Append) -> String {
    let mut line = format!("{id} writes batch {}:", append.batch);
    if let Some(state) = append.hard_state {
        line += &format!(" {}", hard_state(state));
    }
    if !append.entries.is_empty() {
        line += &format!(" {}", list(&append.entries));
    }
    line
}

pub(crate) fn committed(id: NodeId, committed: &Committed) -> String {
    let entries = list(&committed.entries);
    format!("{id} commits {}: {entries}", committed.through)
}

pub(crate) fn read(id: NodeId, read: ReadContext, answer: Result<LogIndex, ReadRefusal>) -> String {
    match answer {
        Ok(index) => format!("{id} answers read {} at {index}", read.0),
        Err(refusal) => format!("{id} refuses read {}: {refusal:?}", read.0),
    }
}

pub(crate) fn fetch(id: NodeId, fetch: &Fetch) -> String {
    let Fetch {
        peer, first, last, ..
    } = fetch;
    format!("{id} fetches {first} to {last} for {peer}")
}

fn role(status: &Status) -> String {
    let role = match status.role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Learner => "learner",
    };
    let of = match (status.role, status.leader) {
        (Role::Follower | Role::Learner, Some(leader)) => format!(" of {leader}"),
        (Role::Follower | Role::Learner, None) => " of nobody".to_string(),
        _ => String::new(),
    };
    format!("{role}{of} in term {}", status.term)
}

/// What has changed since a replica was last shown.
pub(crate) fn changes(before: Option<&Status>, now: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    if before.is_none_or(|before| role(before) != role(now)) {
        lines.push(format!("{} is {}", now.id, role(now)));
    }
    if now.serving && before.is_some_and(|before| !before.serving) {
        lines.push(format!("{} serves", now.id));
    }
    lines
}

pub(crate) fn status(status: &Status) -> String {
    let Status {
        id,
        commit_index,
        last_index,
        durable_index,
        first_index,
        ..
    } = status;
    let mut line = format!(
        "{id}: {}, commit={commit_index} durable={durable_index} last={last_index}",
        role(status)
    );
    if *first_index != 1 {
        line += &format!(" first={first_index}");
    }
    for peer in &status.peers {
        let pace = if peer.probing { "probe" } else { "replicate" };
        line += &format!(" | {} {pace} match={}", peer.id, peer.match_index);
    }
    line
}

pub(crate) fn disk(id: NodeId, state: HardState, entries: &[Entry]) -> String {
    format!("{id} has on disk: {} {}", hard_state(state), list(entries))
}
