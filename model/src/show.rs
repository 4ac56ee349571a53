//! A path as people read it.

use telegraft_cluster::raft::{AppendResult, Body, Entry, Message, Payload, Role};

use crate::explorer::Explorer;
use crate::input::Input;
use crate::letter::Letter;
use crate::rules::Rule;
use crate::view::Brief;
use crate::world::{Action, World};

/// The rule that a path breaks, and its steps, a line each.
pub(crate) fn counterexample(
    explorer: &Explorer,
    path: &[(World, Option<Action>)],
) -> (Rule, Vec<String>) {
    let mut lines = Vec::new();
    let mut broken = None;
    for (step, (world, action)) in path.iter().enumerate() {
        let Some(action) = action else {
            break;
        };
        lines.push(format!(
            "{:>3}. {}",
            step + 1,
            show_action(explorer, *action)
        ));
        if let Some((after, text)) = explorer.advance(world, *action) {
            if let Some((rule, text)) = after.broken.zip(text) {
                broken = Some(rule);
                lines.push(format!("     => {rule}: {text}"));
            } else {
                let at = actor(explorer, *action);
                lines.push(format!("     {}", show_replica(explorer, &after, at)));
            }
        }
    }
    (broken.expect("the path ends where a rule is broken"), lines)
}

/// To whom an action happens.
fn actor(explorer: &Explorer, action: Action) -> usize {
    let id = match action {
        Action::Happen(at, _) => return at.into(),
        Action::Deliver(letter) | Action::Duplicate(letter) => explorer.letters.get(letter).to,
        Action::Lose(letter) => explorer.letters.get(letter).from,
    };
    usize::try_from(id - 1).expect("ids are small")
}

fn show_action(explorer: &Explorer, action: Action) -> String {
    let letter = |number| show_letter(explorer.letters.get(number));
    match action {
        Action::Deliver(number) => format!("arrives: {}", letter(number)),
        Action::Duplicate(number) => format!("arrives, and will again: {}", letter(number)),
        Action::Lose(number) => format!("is lost: {}", letter(number)),
        Action::Happen(at, input) => {
            let id = at + 1;
            match input {
                Input::Complete => format!("{id}'s oldest write is durable"),
                Input::LosePatience => format!("{id} hears from no leader and campaigns"),
                Input::BeDeserted => format!("{id} leads and is answered by no majority"),
                Input::Beat => format!("{id} sends a heartbeat"),
                Input::Propose(command) => format!("{id} is proposed command {command}"),
                Input::Crash { survive, .. } => {
                    format!("{id} crashes and restarts; of its open writes {survive} survive")
                }
                Input::Learn(term) => format!("{id} learns of term {term} by a refusal"),
                Input::Read(read) => format!("{id} is asked for read {read}"),
                Input::HandOver(to) => format!("{id} hands leadership over to {to}"),
                Input::Deliver(_) | Input::LoseTo(_) => format!("{id}: {input:?}"),
            }
        }
    }
}

fn show_replica(explorer: &Explorer, world: &World, at: usize) -> String {
    let view = &explorer.replica(world, at).view;
    let role = match view.role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Learner => "learner",
    };
    format!(
        "{}: {role}, term {} (durable {}), log [{}] (durable [{}]), commit {}",
        at + 1,
        view.term,
        view.durable_term,
        show_log(&view.log),
        show_log(&view.disk),
        view.commit
    )
}

fn show_log(log: &[Brief]) -> String {
    let entries: Vec<String> = log
        .iter()
        .map(|entry| match entry.command {
            0 => format!("{}:noop", entry.term),
            command => format!("{}:command {}", entry.term, command - 1),
        })
        .collect();
    entries.join(", ")
}

fn show_letter(letter: &Letter) -> String {
    let Message { term, body } = &letter.message;
    let body = match body {
        Body::RequestVote {
            pre_vote,
            transfer,
            last_index,
            last_term,
        } => format!(
            "{}{}, last entry {last_index} of term {last_term}",
            if *pre_vote { "PreVote?" } else { "RequestVote" },
            if *transfer { " (transfer)" } else { "" },
        ),
        Body::Vote { pre_vote, granted } => format!(
            "{} {}",
            if *pre_vote { "PreVote" } else { "Vote" },
            if *granted { "granted" } else { "refused" },
        ),
        Body::AppendEntries {
            prev_index,
            prev_term,
            entries,
            commit,
            round,
        } => format!(
            "AppendEntries after {prev_index} of term {prev_term}: [{}], commit {commit}, round \
             {round}",
            entries
                .iter()
                .map(show_entry)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        Body::AppendReply { round, result } => match result {
            AppendResult::Matched { durable } => {
                format!("AppendReply: matched up to {durable}, round {round}")
            }
            AppendResult::Conflict {
                prev_index,
                hint_index,
                hint_term,
            } => format!(
                "AppendReply: conflict at {prev_index}, hint {hint_index} of term {hint_term}, \
                 round {round}"
            ),
        },
        Body::ReadIndex { context } => format!("ReadIndex {context:x}"),
        Body::ReadIndexReply { context, index } => {
            format!("ReadIndexReply {context:x}: {index:?}")
        }
        Body::TimeoutNow => "TimeoutNow".to_owned(),
    };
    format!("{} -> {}, term {term}: {body}", letter.from, letter.to)
}

fn show_entry(entry: &Entry) -> String {
    match &entry.payload {
        Payload::Noop => format!("{}:noop", entry.term),
        Payload::Command(command) => format!("{}:command {}", entry.term, command[0]),
        Payload::Configuration(_) => format!("{}:configuration", entry.term),
    }
}
