//! A leader: replicates its log, commits, and knows how long it leads.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::common::Common;
use super::explore::Fingerprint;
use super::io::{PeerProgress, ProposeRefusal, ReadMode};
use super::message::{AppendResult, Body};
use super::progress::Progress;
use super::reads::{Asker, LeaderReads, Rounds};
use super::types::{Entry, LogIndex, NodeId, Payload, Term};
use crate::known_bugs::{self, KnownBug};
use crate::time::Time;

/// ⚠ A lease is shorter than the followers' promise by this part of it: clocks may run apart
/// by so much (10 %, far more than any that works) and it still ends first.
const LEASE_DRIFT_DIVISOR: u32 = 10;

/// A leadership that is being handed over (thesis §3.10).
#[derive(Clone, Debug)]
struct Transfer {
    to: NodeId,
    /// When it is given up.
    until: Time,
    /// TimeoutNow is out.
    asked: bool,
}

/// The leader of the present term.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    peers: BTreeMap<NodeId, Progress>,
    /// The no-op that opened the term. Once it is committed, all before it is.
    first_index: LogIndex,
    /// Up to here all is closed: committed, and durable on this replica's own disk.
    closed: LogIndex,
    /// What follows it, in encoded bytes: commands of this term that are open. ⚠ A committed one
    /// that only the followers' disks have is held in memory here, for as long as our own disk
    /// hangs; so it counts.
    open_bytes: usize,
    rounds: Rounds,
    reads: LeaderReads,
    heartbeat_at: Time,
    heartbeat_due: bool,
    transfer: Option<Transfer>,
    /// ⚠ TimeoutNow was sent in this term: its receiver may be elected whatever the followers
    /// promised, so there is no lease any more.
    lease_given_up: bool,
}

impl Leader {
    /// Begins to lead: with a no-op, which commits what earlier terms left (§5.4.2, §8).
    pub(super) fn elected(common: &mut Common, now: Time) -> Self {
        let next_index = common.log.last() + 1;
        let first_kept = common.log.base() + 1;
        let peers = common
            .members
            .members()
            .filter(|(id, _)| *id != common.id())
            .map(|(id, _)| (id, Progress::new(next_index, first_kept, now)))
            .collect();
        let first_index = common.append(Payload::Noop);
        Leader {
            peers,
            first_index,
            closed: first_index,
            open_bytes: 0,
            rounds: Rounds::default(),
            reads: LeaderReads::default(),
            heartbeat_at: now + common.config.heartbeat_interval,
            heartbeat_due: true,
            transfer: None,
            lease_given_up: false,
        }
    }

    /// Whether an entry of this term is committed: only then is the commit index known to
    /// hold all that earlier leaders committed.
    pub(super) fn serves(&self, common: &Common) -> bool {
        common.commit >= self.first_index || known_bugs::active(KnownBug::ReadBeforeNoop)
    }

    pub(super) fn propose(
        &mut self,
        common: &mut Common,
        command: Bytes,
    ) -> Result<(Term, LogIndex), ProposeRefusal> {
        if self.transfer.is_some() {
            return Err(ProposeRefusal::Transferring);
        }
        let bytes = Entry::OVERHEAD_BYTES + command.len();
        // One always fits, however long.
        if self.open_bytes > 0 && self.open_bytes + bytes > common.config.max_open_bytes {
            return Err(ProposeRefusal::Overloaded);
        }
        self.open_bytes += bytes;
        let index = common.append(Payload::Command(command));
        Ok((common.term(), index))
    }

    pub(super) fn read(&mut self, common: &mut Common, now: Time, asker: Asker, mode: ReadMode) {
        if mode == ReadMode::Lease && self.serves(common) && self.has_lease(common, now) {
            return asker.answer(common, common.commit);
        }
        if known_bugs::active(KnownBug::ReadWithoutRound) && self.serves(common) {
            return asker.answer(common, common.commit);
        }
        self.reads.push(common, asker);
        if known_bugs::active(KnownBug::ReadJoinsOpenRound) && self.serves(common) {
            self.reads.join(self.rounds.newest(), common.commit);
        }
    }

    /// Whether no other leader can have been elected by `now`: a majority heard a round, and
    /// votes for nobody for one election timeout *after that*, so at least from when it left.
    fn has_lease(&self, common: &Common, now: Time) -> bool {
        let promise = common.config.election_timeout;
        let lease = if known_bugs::active(KnownBug::LeaseTooLong) {
            promise * 2
        } else {
            promise - promise / LEASE_DRIFT_DIVISOR
        };
        let heard = self.quorum_of(common, Some(now), |peer| peer.round_sent_at);
        !self.lease_given_up && heard.is_some_and(|sent_at| now < sent_at + lease)
    }

    /// The greatest value that a majority of the voters has reached.
    fn quorum_of<T: Copy + Ord>(
        &self,
        common: &Common,
        own: T,
        value: impl Fn(&Progress) -> T,
    ) -> T {
        let mut values: Vec<T> = common
            .members
            .voters
            .keys()
            .map(|voter| self.peers.get(voter).map_or(own, &value))
            .collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        let mut quorum = common.members.quorum();
        if known_bugs::active(KnownBug::QuorumOneShort) && quorum > 1 {
            quorum -= 1;
        }
        values[quorum - 1]
    }

    /// A follower answers.
    pub(super) fn append_reply(
        &mut self,
        common: &mut Common,
        now: Time,
        from: NodeId,
        round: u64,
        result: AppendResult,
    ) {
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        debug_assert!(round <= self.rounds.newest(), "no round is answered early");
        if round > self.rounds.newest() {
            return;
        }
        peer.heard_at = now;
        if round > peer.round {
            peer.round = round;
            peer.round_sent_at = if known_bugs::active(KnownBug::LeaseFromAnswer) {
                Some(now)
            } else {
                self.rounds.sent_at(round).or(peer.round_sent_at)
            };
        }
        match result {
            AppendResult::Matched { durable } => {
                debug_assert!(durable <= common.log.last(), "only what was sent matches");
                peer.matched(durable);
            }
            AppendResult::Conflict {
                prev_index,
                hint_index,
                hint_term,
            } => peer.refused(&common.log, prev_index, hint_index, hint_term),
        }
        self.confirm_reads(common);
        self.advance(common);
        self.go_on_with_transfer(common);
    }

    fn confirm_reads(&mut self, common: &mut Common) {
        let round = self.quorum_of(common, self.rounds.newest(), |peer| peer.round);
        self.reads.confirmed(common, round);
    }

    /// More is durable, on a follower or on this replica: commits and closes what it can.
    pub(super) fn advance(&mut self, common: &mut Common) {
        self.advance_commit(common);
        self.close(common);
    }

    /// Commits what is durable on a majority, this replica being one of it once its own disk
    /// has said so. ⚠ Only an entry of this term is counted; it carries those before it (§5.4.2).
    fn advance_commit(&mut self, common: &mut Common) {
        let own = if known_bugs::active(KnownBug::LeaderCountsItselfEarly) {
            common.log.last()
        } else {
            common.log.durable()
        };
        let index = self.quorum_of(common, own, |peer| peer.match_index);
        let of_this_term =
            index >= self.first_index || known_bugs::active(KnownBug::OldTermCommittedByCounting);
        if index <= common.commit || !of_this_term {
            return;
        }
        common.commit_to(index);
    }

    /// Closes what is both committed and durable here: it no longer counts as open.
    fn close(&mut self, common: &Common) {
        let closed = common.commit.min(common.log.durable());
        if closed <= self.closed {
            return;
        }
        let bytes: usize = common
            .log
            .from(self.closed + 1)
            .take_while(|entry| entry.index <= closed)
            .map(Entry::encoded_len)
            .sum();
        self.open_bytes -= bytes;
        self.closed = closed;
    }

    pub(super) fn unreachable(&mut self, peer: NodeId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.unreachable();
        }
    }

    /// Begins to hand leadership over: no proposals, until `to` has the whole log and is told.
    pub(super) fn transfer(&mut self, common: &mut Common, now: Time, to: NodeId) -> bool {
        let to_voter = self.peers.contains_key(&to) && common.members.voters.contains_key(&to);
        if self.transfer.is_some() || !to_voter {
            return false;
        }
        self.transfer = Some(Transfer {
            to,
            until: now + common.config.election_timeout,
            asked: false,
        });
        self.go_on_with_transfer(common);
        true
    }

    fn go_on_with_transfer(&mut self, common: &mut Common) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        let ready = self.peers[&transfer.to].match_index == common.log.last();
        if ready && !transfer.asked {
            transfer.asked = true;
            self.lease_given_up = !known_bugs::active(KnownBug::LeaseKeptAfterHandover);
            common.send(transfer.to, Body::TimeoutNow);
        }
    }

    /// The log could be read for a follower far behind, or not (no entries).
    pub(super) fn fetched(&mut self, common: &mut Common, peer: NodeId, entries: Vec<Entry>) {
        let Some(progress) = self.peers.get_mut(&peer) else {
            return;
        };
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            progress.fetch_failed = true;
            return;
        };
        // It may have been asked for in an earlier leadership, or before a probe.
        let wanted = !progress.is_probing() && progress.next_index == first.index;
        let ours = entries.iter().zip(first.index..).all(|(entry, index)| {
            entry.index == index && common.log.term(index) == Some(entry.term)
        });
        if wanted && ours && progress.may_send(common.config.max_inflight_appends) {
            let last = last.index;
            append_entries(common, peer, progress, self.rounds.newest(), entries);
            progress.sent(last);
        }
    }

    /// Whether a majority has been silent for an election timeout (CheckQuorum, thesis §6.2).
    pub(super) fn is_deserted(&self, common: &Common, now: Time) -> bool {
        let heard_at = self.quorum_of(common, now, |peer| peer.heard_at);
        now >= heard_at + common.config.election_timeout
    }

    pub(super) fn handle_timeout(&mut self, common: &Common, now: Time) {
        self.transfer.take_if(|transfer| now >= transfer.until);
        if now >= self.heartbeat_at {
            self.heartbeat_at = now + common.config.heartbeat_interval;
            self.heartbeat_due = true;
        }
    }

    pub(super) fn poll_timeout(&self) -> Time {
        let heartbeat = (!self.peers.is_empty()).then_some(self.heartbeat_at);
        let transfer = self.transfer.as_ref().map(|transfer| transfer.until);
        let next = heartbeat.into_iter().chain(transfer).min();
        next.unwrap_or(Time::from_nanos(u64::MAX))
    }

    /// Sends what has gathered: to each follower what it lacks, in as few messages as may be,
    /// and a heartbeat when one is due or reads wait for a round.
    pub(super) fn flush(&mut self, common: &mut Common, now: Time) {
        let serves = self.serves(common);
        let beat = self.heartbeat_due || (serves && self.reads.want_round());
        if beat {
            self.heartbeat_due = false;
            self.heartbeat_at = now + common.config.heartbeat_interval;
            let round = self.rounds.begin(now, common.config.election_timeout);
            // ⚠ Before that the commit index may miss what an earlier leader committed.
            if serves {
                self.reads.join(round, common.commit);
            }
        }
        let round = self.rounds.newest();
        for (id, peer) in &mut self.peers {
            if beat {
                peer.fetch_failed = false;
            }
            send_what_is_missing(common, *id, peer, round);
            if beat {
                append_entries(common, *id, peer, round, Vec::new());
            }
        }
        if beat {
            // Alone it is a majority at once.
            self.confirm_reads(common);
        }
    }

    /// How far the peers have come.
    pub(super) fn progress(&self) -> Vec<PeerProgress> {
        let peers = self.peers.iter();
        peers
            .map(|(id, peer)| PeerProgress {
                id: *id,
                match_index: peer.match_index,
                probing: peer.is_probing(),
            })
            .collect()
    }

    /// Leadership is lost.
    pub(super) fn dismiss(self, common: &mut Common) {
        self.reads.dismiss(common);
    }

    pub(super) fn fingerprint(&self, out: &mut Fingerprint) {
        let Leader {
            peers,
            first_index,
            closed,
            open_bytes,
            rounds,
            reads,
            heartbeat_at: _,
            heartbeat_due,
            transfer,
            // Of leases alone.
            lease_given_up: _,
        } = self;
        let peers = peers.iter().map(|(id, peer)| (*id, peer));
        out.by_member(peers, |out, peer| peer.fingerprint(out));
        out.number(*first_index);
        out.number(*closed);
        out.number(*open_bytes as u64);
        out.flag(*heartbeat_due);
        out.id_or_none(transfer.as_ref().map(|transfer| transfer.to));
        out.flag(transfer.as_ref().is_some_and(|transfer| transfer.asked));
        if out.reads {
            out.number(rounds.newest());
            reads.fingerprint(out);
        }
    }
}

/// Sends a follower the entries after those it was sent, as far as its window allows.
fn send_what_is_missing(common: &mut Common, id: NodeId, peer: &mut Progress, round: u64) {
    let max_in_flight = common.config.max_inflight_appends;
    let max_bytes = common.config.max_append_bytes;
    while peer.next_index <= common.log.last() && peer.may_send(max_in_flight) {
        let in_memory = peer.next_index >= common.log.tail_first();
        let entries = if in_memory {
            common.log.slice(peer.next_index, max_bytes)
        } else if peer.is_probing() {
            // Where the logs agree is found without them.
            Vec::new()
        } else {
            if !peer.fetch_failed {
                common.fetch(id, peer.next_index);
            }
            return;
        };
        let last = peer.next_index - 1 + entries.len() as LogIndex;
        append_entries(common, id, peer, round, entries);
        peer.sent(last);
    }
}

/// Sends an AppendEntries from the follower's next index on; without entries, a heartbeat.
fn append_entries(
    common: &mut Common,
    id: NodeId,
    peer: &Progress,
    round: u64,
    entries: Vec<Entry>,
) {
    let prev_index = peer.next_index - 1;
    let message = Body::AppendEntries {
        prev_index,
        prev_term: common
            .log
            .term(prev_index)
            .expect("what comes before a next index is in the log, or the base"),
        entries,
        commit: common.commit,
        round,
    };
    common.send(id, message);
}
