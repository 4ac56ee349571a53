//! The world of the scripts: replicas with their disks, a network and the time, all by hand.

mod disk;
mod network;
mod show;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use telegraft_cluster::raft::{
    Append, Completion, Config, Configuration, Effects, Entry, Envelope, Fetch, HardState,
    LogIndex, NodeId, Payload, Raft, ReadContext, ReadMode, Restored, Role, Status, Term,
};
use telegraft_cluster::time::Time;

use disk::Disk;
pub(crate) use network::Filter;
use network::Packet;

type Outcome = Result<(), Box<dyn Error>>;

/// A replica that nobody leads waits one to two seconds; heartbeats come ten times a second.
const ELECTION_TIMEOUT: Duration = Duration::from_millis(1000);
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);
/// More steps than a script takes to come to rest.
const ENDLESS: usize = 1000;

#[derive(Default)]
struct Node {
    core: Option<Raft>,
    disk: Disk,
    /// Batches whose terms and votes, or entries, are not durable.
    written: VecDeque<Append>,
    votes_through: u64,
    entries_through: u64,
    fetches: Vec<Fetch>,
    /// As it was last shown.
    shown: Option<Status>,
    starts: u64,
}

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) manual_disk: bool,
    pub(crate) base: (LogIndex, Term),
    pub(crate) output: String,
    now: Time,
    members: Configuration,
    nodes: BTreeMap<NodeId, Node>,
    network: VecDeque<Packet>,
    delayed: Vec<Packet>,
    cuts: BTreeSet<(NodeId, NodeId)>,
    names: show::Names,
    /// What was committed anywhere: it must be so everywhere.
    committed: BTreeMap<LogIndex, Entry>,
    leaders: BTreeMap<Term, NodeId>,
}

impl Default for World {
    fn default() -> Self {
        World {
            config: Config {
                id: 0,
                election_timeout: ELECTION_TIMEOUT,
                heartbeat_interval: HEARTBEAT_INTERVAL,
                max_append_bytes: 1 << 20,
                max_inflight_appends: 8,
                max_open_bytes: 1 << 20,
                tail_bytes: 1 << 20,
                max_pending_reads: 100,
            },
            manual_disk: false,
            base: (0, 0),
            output: String::new(),
            now: Time::ZERO,
            members: Configuration::default(),
            nodes: BTreeMap::new(),
            network: VecDeque::new(),
            delayed: Vec::new(),
            cuts: BTreeSet::new(),
            names: show::Names::default(),
            committed: BTreeMap::new(),
            leaders: BTreeMap::new(),
        }
    }
}

impl World {
    pub(crate) fn start(&mut self, voters: u64, learners: u64) {
        let member = |id: u64| (id, format!("replica-{id}"));
        self.members.voters = (1..=voters).map(member).collect();
        self.members.learners = (voters + 1..=voters + learners).map(member).collect();
        for id in 1..=voters + learners {
            let disk = Disk {
                base: self.base,
                hard_state: HardState {
                    term: self.base.1,
                    vote: None,
                },
                ..Disk::default()
            };
            let node = Node {
                disk,
                ..Node::default()
            };
            self.nodes.insert(id, node);
            self.restart(id);
        }
    }

    pub(crate) fn boot(
        &mut self,
        id: NodeId,
        base: (LogIndex, Term),
        terms: &[Term],
        hard_state: HardState,
    ) {
        let first = base.0 + 1;
        let entries = (first..).zip(terms).map(|(index, term)| Entry {
            index,
            term: *term,
            payload: Payload::Command(Bytes::from(format!("t{term}"))),
        });
        let node = self.nodes.entry(id).or_default();
        node.disk = Disk {
            hard_state,
            base,
            entries: entries.collect(),
            used: true,
        };
        self.restart(id);
    }

    pub(crate) fn restart(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a replica of the cluster");
        node.starts += 1;
        let mut term_runs: Vec<(LogIndex, Term)> = Vec::new();
        for entry in &node.disk.entries {
            if term_runs.last().is_none_or(|(_, term)| *term != entry.term) {
                term_runs.push((entry.index, entry.term));
            }
        }
        let mut bytes = 0;
        let tail: VecDeque<Entry> = (node.disk.entries.iter().rev())
            .take_while(|entry| {
                bytes += entry.encoded_len();
                bytes <= self.config.tail_bytes
            })
            .cloned()
            .collect();
        let restored = Restored {
            hard_state: node.disk.hard_state,
            configuration: self.members.clone(),
            base: node.disk.base,
            term_runs,
            last_index: node.disk.last().1,
            tail: tail.into_iter().rev().collect(),
            restarted: node.disk.used,
        };
        node.disk.used = true;
        node.written.clear();
        node.votes_through = 0;
        node.entries_through = 0;
        node.fetches.clear();
        let mut config = self.config.clone();
        config.id = id;
        let seed = id * 1000 + node.starts;
        node.core = Some(Raft::new(config, restored, seed, self.now));
        self.settle(id);
    }

    pub(crate) fn crash(&mut self, id: NodeId) -> Outcome {
        let node = self.nodes.get_mut(&id).ok_or("no such replica")?;
        node.core = None;
        node.written.clear();
        node.shown = None;
        Ok(())
    }

    fn core(&mut self, id: NodeId) -> Result<&mut Raft, Box<dyn Error>> {
        let node = self.nodes.get_mut(&id).ok_or("no such replica")?;
        Ok(node.core.as_mut().ok_or("that replica is down")?)
    }

    pub(crate) fn wake_when_due(&mut self, id: NodeId) -> Outcome {
        let due = self.core(id)?.poll_timeout();
        self.now = self.now.max(due);
        self.wake(id)
    }

    pub(crate) fn wake(&mut self, id: NodeId) -> Outcome {
        let now = self.now;
        self.core(id)?.handle_timeout(now);
        self.settle(id);
        Ok(())
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    pub(crate) fn run(&mut self, millis: u64) -> Outcome {
        let end = self.now + Duration::from_millis(millis);
        loop {
            let cores = self.nodes.iter();
            let timers =
                cores.filter_map(|(id, node)| Some((node.core.as_ref()?.poll_timeout(), *id)));
            let Some((due, id)) = timers.min().filter(|(due, _)| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            self.wake(id)?;
            self.stabilize()?;
        }
        self.now = end;
        Ok(())
    }

    /// Delivers and syncs, but for one replica's disk, until all is quiet.
    pub(crate) fn settle_all(&mut self, except: Option<NodeId>) -> Outcome {
        loop {
            self.stabilize()?;
            let writing: Vec<NodeId> = (self.nodes.iter())
                .filter(|(id, node)| !node.written.is_empty() && Some(**id) != except)
                .map(|(id, _)| *id)
                .collect();
            if writing.is_empty() {
                return Ok(());
            }
            for id in writing {
                self.sync(id, usize::MAX, false)?;
            }
        }
    }

    pub(crate) fn propose(&mut self, id: NodeId, commands: &[String]) -> Outcome {
        let now = self.now;
        for command in commands {
            let bytes = Bytes::from(command.clone());
            if let Err(refusal) = self.core(id)?.propose(now, bytes) {
                self.say(format!("{id} refuses {command}: {refusal:?}"));
            }
        }
        self.settle(id);
        Ok(())
    }

    pub(crate) fn read(&mut self, id: NodeId, reads: &[u64], mode: ReadMode) -> Outcome {
        let now = self.now;
        for read in reads {
            self.core(id)?.read(now, ReadContext(*read), mode);
        }
        self.settle(id);
        Ok(())
    }

    pub(crate) fn unreachable(&mut self, id: NodeId, peer: NodeId) -> Outcome {
        let now = self.now;
        self.core(id)?.peer_unreachable(now, peer);
        self.settle(id);
        Ok(())
    }

    pub(crate) fn transfer(&mut self, id: NodeId, to: NodeId) -> Outcome {
        let now = self.now;
        if !self.core(id)?.transfer_leadership(now, to) {
            self.say(format!("{id} does not hand over to {to}"));
        }
        self.settle(id);
        Ok(())
    }

    pub(crate) fn fetched(&mut self, id: NodeId, peer: NodeId, fail: bool) -> Outcome {
        let now = self.now;
        let node = self.nodes.get_mut(&id).ok_or("no such replica")?;
        let at = (node.fetches.iter())
            .position(|fetch| fetch.peer == peer)
            .ok_or("no such fetch")?;
        let fetch = node.fetches.remove(at);
        let mut bytes = 0;
        let entries: Vec<Entry> = (node.disk.entries.iter())
            .filter(|entry| (fetch.first..=fetch.last).contains(&entry.index))
            .take_while(|entry| {
                let fits = bytes == 0 || bytes + entry.encoded_len() <= fetch.max_bytes;
                bytes += entry.encoded_len();
                fits
            })
            .cloned()
            .collect();
        let entries = if fail { Vec::new() } else { entries };
        self.core(id)?
            .entries_fetched(now, peer, fetch.first, entries);
        self.settle(id);
        Ok(())
    }

    /// Makes batches durable; with `votes_only` the disk has no room for their entries.
    pub(crate) fn sync(&mut self, id: NodeId, batches: usize, votes_only: bool) -> Outcome {
        self.complete(id, batches, votes_only)?;
        self.settle(id);
        Ok(())
    }

    fn complete(&mut self, id: NodeId, batches: usize, votes_only: bool) -> Outcome {
        let now = self.now;
        let node = self.nodes.get_mut(&id).ok_or("no such replica")?;
        for append in node.written.iter().take(batches) {
            if append.batch > node.votes_through {
                node.votes_through = append.batch;
                node.disk.hard_state = append.hard_state.unwrap_or(node.disk.hard_state);
            }
            if !votes_only {
                node.entries_through = append.batch;
                node.disk.write(&append.entries);
            }
        }
        let through = node.entries_through;
        node.written.retain(|append| append.batch > through);
        let completion = Completion {
            entries_through: node.entries_through,
            hard_state_through: node.votes_through,
            last: node.disk.last(),
        };
        let core = node.core.as_mut().ok_or("that replica is down")?;
        core.log_completed(now, completion);
        Ok(())
    }

    /// Ends a wake-up: carries the replica's effects out, and shows them.
    fn settle(&mut self, id: NodeId) {
        let now = self.now;
        for _ in 0..ENDLESS {
            let effects = self.core(id).expect("it is up").take_effects(now);
            self.show_changes(id);
            if effects.is_empty() {
                return;
            }
            self.carry_out(id, effects);
        }
        panic!("{id} always wants something done");
    }

    fn carry_out(&mut self, id: NodeId, effects: Effects) {
        if let Some(append) = effects.append {
            self.say(show::append(id, &append));
            self.nodes
                .get_mut(&id)
                .expect("it is there")
                .written
                .push_back(append);
            if !self.manual_disk {
                self.complete(id, usize::MAX, false).expect("it is up");
            }
        }
        for Envelope { to, message } in effects.messages {
            let lost = self.cuts.contains(&(id, to));
            let line = self.names.message(id, to, &message, lost);
            self.say(line);
            if !lost {
                let from = id;
                self.network.push_back(Packet { from, to, message });
            }
        }
        if let Some(committed) = effects.committed {
            self.say(show::committed(id, &committed));
            for entry in committed.entries {
                let first = (self.committed.entry(entry.index)).or_insert_with(|| entry.clone());
                assert_eq!(*first, entry, "replicas committed different entries");
            }
        }
        for (read, answer) in effects.reads {
            self.say(show::read(id, read, answer));
        }
        for fetch in effects.fetches {
            self.say(show::fetch(id, &fetch));
            let node = self.nodes.get_mut(&id).expect("it is there");
            node.fetches.push(fetch);
        }
    }

    fn show_changes(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("it is there");
        let status = node.core.as_ref().expect("it is up").status();
        let lines = show::changes(node.shown.as_ref(), &status);
        if status.role == Role::Leader {
            let first = *self.leaders.entry(status.term).or_insert(id);
            assert_eq!(first, id, "two leaders in term {}", status.term);
        }
        node.shown = Some(status);
        for line in lines {
            self.say(line);
        }
    }

    pub(crate) fn status(&mut self, ids: &[NodeId]) {
        let lines: Vec<String> = (self.nodes.iter())
            .filter(|(id, _)| ids.is_empty() || ids.contains(id))
            .map(|(id, node)| match &node.core {
                Some(core) => show::status(&core.status()),
                None => format!("{id}: down"),
            })
            .collect();
        for line in lines {
            self.say(line);
        }
    }

    pub(crate) fn disks(&mut self, ids: &[NodeId]) {
        let lines: Vec<String> = (self.nodes.iter())
            .filter(|(id, _)| ids.is_empty() || ids.contains(id))
            .map(|(id, node)| show::disk(*id, node.disk.hard_state, &node.disk.entries))
            .collect();
        for line in lines {
            self.say(line);
        }
    }

    fn say(&mut self, line: String) {
        self.output.push_str(&line);
        self.output.push('\n');
    }

    /// Log matching (Figure 3): where two disks agree on a term, they agree on all before.
    pub(crate) fn check(&self) {
        for a in self.nodes.values() {
            for b in self.nodes.values() {
                let pairs: Vec<_> = (a.disk.entries.iter())
                    .filter_map(|entry| Some((entry, b.disk.entry(entry.index)?)))
                    .collect();
                let agree = pairs.iter().rposition(|(a, b)| a.term == b.term);
                let same = pairs.iter().take(agree.map_or(0, |at| at + 1));
                assert!(
                    same.clone().all(|(a, b)| a == b),
                    "logs that agree at an entry differ before it"
                );
            }
        }
    }
}
