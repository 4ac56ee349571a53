//! Clients, and all that goes wrong.

use bytes::Bytes;
use rand::RngExt;
use telegraft_cluster::raft::{NodeId, ReadContext, ReadMode, Role};

use super::{Event, Input, World};
use crate::plan::{Fault, MS, Target, Way};

impl World<'_> {
    pub(super) fn client(&mut self) {
        if self.calm {
            return;
        }
        let burst = if self.client_rng.random_bool(0.1) {
            self.client_rng.random_range(2..=12)
        } else {
            1
        };
        let id = self.somebody();
        for _ in 0..burst {
            if self.client_rng.random_bool(self.plan.reads) {
                let mode = if self.client_rng.random_bool(0.5) {
                    ReadMode::Lease
                } else {
                    ReadMode::Linearizable
                };
                self.read_at(id, mode);
            } else {
                self.propose_at(id);
            }
        }
        let gap = self.client_rng.random_range(0..=2 * self.plan.client_gap);
        self.schedule(self.now + gap, Event::Client);
    }

    /// One who thinks that it leads, mostly.
    fn somebody(&mut self) -> NodeId {
        let leaders: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| {
                node.core
                    .as_ref()
                    .is_some_and(|core| core.status().role == Role::Leader)
            })
            .map(|(id, _)| *id)
            .collect();
        if leaders.is_empty() || self.client_rng.random_bool(0.3) {
            return self.client_rng.random_range(1..=self.nodes.len() as u64);
        }
        leaders[self.client_rng.random_range(0..leaders.len())]
    }

    pub(super) fn propose_at(&mut self, id: NodeId) {
        self.next_command += 1;
        let mut command = format!("command {}", self.next_command);
        let padding = self.client_rng.random_range(0..60);
        command.extend(std::iter::repeat_n('.', padding));
        self.schedule(
            self.now,
            Event::Arrive(id, Input::Propose(Bytes::from(command))),
        );
    }

    pub(super) fn read_at(&mut self, id: NodeId, mode: ReadMode) {
        self.next_read += 1;
        let context = ReadContext(self.next_read);
        self.schedule(self.now, Event::Arrive(id, Input::Read(context, mode)));
    }

    pub(super) fn fault(&mut self, number: usize) {
        let planned = &self.plan.faults[number];
        let (lasts, until) = (planned.lasts, self.now + planned.lasts);
        self.note(|| {
            format!(
                "--- fault {number}: {:?} for {}ms",
                planned.fault,
                lasts / MS
            )
        });
        let who = |target: &Target| match target {
            Target::Node(id) => *id,
            Target::Leader => self.leader().unwrap_or(1),
        };
        match &planned.fault {
            Fault::Isolate(target, way) => {
                let id = who(target);
                self.isolate(id, *way, lasts);
            }
            Fault::Split(mask) => {
                let mask = *mask;
                self.cut(until, None, |from, to| {
                    (mask >> from & 1) != (mask >> to & 1)
                });
            }
            Fault::Bridge(middle) => {
                let middle = *middle;
                self.cut(until, None, |from, to| {
                    from != middle && to != middle && from % 2 != to % 2
                });
            }
            Fault::Ring => {
                let count = self.nodes.len() as u64;
                self.cut(until, None, |from, to| {
                    let apart = from.abs_diff(to);
                    apart != 1 && apart != count - 1
                });
            }
            Fault::OneLink(one, other) => {
                let (one, other) = (*one, *other);
                self.cut(until, None, |from, to| (from, to) == (one, other));
            }
            Fault::Crash(target) => {
                let id = who(target);
                self.crash(id, lasts);
            }
            Fault::CrashAll => {
                for id in self.ids() {
                    let down = self.disk_rng.random_range(MS..=lasts.max(2 * MS));
                    self.crash(id, down);
                }
            }
            Fault::Pause(target) => {
                let id = who(target);
                self.node(id).stopped_until = until;
            }
            Fault::PauseAndIsolate(target) => {
                let id = who(target);
                self.node(id).stopped_until = until;
                self.isolate(id, Way::Both, 2 * lasts);
                for _ in 0..3 {
                    self.read_at(id, ReadMode::Lease);
                    self.read_at(id, ReadMode::Linearizable);
                }
            }
            Fault::SlowDisk(target, by) => {
                let (id, by) = (who(target), *by);
                self.node(id).slow_disk = (until, by);
            }
            Fault::SlowDiskAndIsolate(target, by) => {
                let (id, by) = (who(target), *by);
                self.node(id).slow_disk = (until, by);
                self.isolate(id, Way::Both, lasts);
                for _ in 0..3 {
                    self.propose_at(id);
                }
            }
            Fault::FullDisk(target) => {
                let id = who(target);
                self.disk(id).full = true;
                self.node(id).full_until = until;
                self.schedule(until, Event::Space(id));
            }
            Fault::BadNetwork => self.bad_network_until = until,
            Fault::Lag(target, way, by) => {
                let (id, way, by) = (who(target), *way, *by);
                self.one_way(id, way, until, Some(by));
            }
            Fault::Transfer(to) => {
                let id = who(&Target::Leader);
                self.arrive(id, Input::Transfer(*to));
            }
            Fault::TransferAndIsolate(to, after) => {
                let id = who(&Target::Leader);
                self.arrive(id, Input::Transfer(*to));
                self.schedule(self.now + after, Event::IsolateNow(id, lasts));
                let gap = self.timeout() / 20;
                for number in 1..20 {
                    self.next_read += 1;
                    let read = Input::Read(ReadContext(self.next_read), ReadMode::Lease);
                    self.schedule(self.now + number * gap, Event::Arrive(id, read));
                }
            }
        }
    }
}
