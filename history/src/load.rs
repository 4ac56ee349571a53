//! Puts the lines of a history together: who asked for what, and what came of it.

use std::collections::HashMap;

use crate::entry::{Ask, Entry, Id, Outcome, Value, What};
use crate::numbers::{IdHash, Numbers, bounded, number_of};
use crate::op::{Consistency, Kind};
use crate::store::{
    Clock, Digest, Ending, Inbox, InboxValue, Irregular, NONE, Of, Outcomes, PackedOf, Read, Send,
    Store, User, irregular,
};

/// A process, and when it was last heard of.
#[derive(Debug)]
struct Process {
    time_ns: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    /// A send of this id is open.
    Send(u32, Id),
    /// A read or an inbox is open, since this line.
    Page(Ask, u32),
    /// Its last operation's outcome is unknown.
    Gone,
}

/// Reads entries into a [`Store`].
#[derive(Debug)]
pub(crate) struct Loader {
    store: Store,
    times: Vec<u64>,
    index: Option<u64>,
    processes: HashMap<u64, Process>,
    messages: HashMap<Id, u32, IdHash>,
    rooms: Numbers,
    users: Numbers,
    replicas: Numbers,
}

/// Where operations of a kind and consistency are counted in [`Store::outcomes`].
pub(crate) const COUNTERS: [(Kind, Option<Consistency>); 7] = [
    (Kind::Send, None),
    (Kind::Read, Some(Consistency::Linearizable)),
    (Kind::Read, Some(Consistency::Lease)),
    (Kind::Read, Some(Consistency::Local)),
    (Kind::Inbox, Some(Consistency::Linearizable)),
    (Kind::Inbox, Some(Consistency::Lease)),
    (Kind::Inbox, Some(Consistency::Local)),
];

fn counter(ask: &Ask) -> usize {
    1 + 3 * usize::from(!ask.is_read) + ask.consistency as usize
}

impl Loader {
    pub(crate) fn new() -> Self {
        let store = Store {
            of_line: vec![Of::Nothing.into()],
            ..Store::default()
        };
        Loader {
            store,
            times: vec![0],
            index: None,
            processes: HashMap::new(),
            messages: HashMap::with_hasher(IdHash::default()),
            rooms: Numbers::default(),
            users: Numbers::default(),
            replicas: Numbers::default(),
        }
    }

    /// The line that is taken next, from 1.
    pub(crate) fn next_line(&self) -> usize {
        self.times.len()
    }

    /// The next lines begin at this byte of the file.
    pub(crate) fn block_at(&mut self, offset: u64) {
        self.store.offsets.push((self.times.len() as u32, offset));
    }

    /// Takes the next line. If it has a page, that takes its values from the front of `values`.
    pub(crate) fn take(&mut self, entry: Entry, values: &mut &[Value]) -> Result<(), String> {
        let line = u32::try_from(self.times.len())
            .ok()
            .filter(|&line| line < NONE)
            .ok_or_else(|| format!("a history has at most {} lines", NONE - 1))?;
        if let (Some(last), Some(index)) = (self.index, entry.index)
            && index != last.wrapping_add(1)
        {
            return Err(format!(
                "its index is {index} after {last}: lines are missing"
            ));
        }
        self.index = entry.index.or(self.index.map(|last| last.wrapping_add(1)));
        bounded(&entry.what, values)?;
        self.times.push(entry.time_ns);
        let of = match entry.what {
            What::Send { process, room, id } => {
                let room = self.room(room);
                self.idle(process, entry.time_ns)?;
                Of::Send(self.send(process, room, id, line)?)
            }
            What::Page { process, ask } => {
                self.idle(process, entry.time_ns)?;
                self.open(process, State::Page(ask, line));
                // It is known when the answer comes.
                Of::Nothing
            }
            What::Complete {
                process,
                kind,
                room,
                id,
                outcome,
            } => self.complete(
                line,
                entry.time_ns,
                (process, kind, room, id),
                outcome,
                values,
            )?,
            What::Fault(fault) => {
                self.store.faults.push((line, fault));
                Of::Fault(number_of(self.store.faults.len())?)
            }
            What::Member { room, user } => {
                let (room, user) = (self.room(room), self.user(user));
                let rooms = &mut self.store.users[user as usize].rooms;
                if !rooms.contains(&room) {
                    rooms.push(room);
                }
                Of::Nothing
            }
            What::Digest {
                replica,
                log_index,
                value,
            } => {
                self.store.digests.push(Digest {
                    log_index,
                    replica,
                    value,
                    line,
                });
                Of::Digest(number_of(self.store.digests.len())?)
            }
        };
        self.store.of_line.push(of.into());
        Ok(())
    }

    /// Something else that is to be known about the file.
    pub(crate) fn note(&mut self, text: String) {
        self.store.notes.push(text);
    }

    /// What is known when no line follows.
    pub(crate) fn finish(mut self) -> Store {
        for process in self.processes.values() {
            match process.state {
                State::Page(ask, _) => self.store.outcomes[counter(&ask)].unknown += 1,
                // It is unknown since it was invoked.
                State::Send(..) => self.store.outcomes[0].unknown += 1,
                State::Idle | State::Gone => {}
            }
        }
        self.store.clock = Clock::new(self.times);
        self.store
    }

    fn room(&mut self, name: u64) -> u32 {
        let (room, new) = self.rooms.of(name);
        if new {
            self.store.rooms.push(name);
            self.store.sends_to.push(0);
        }
        room
    }

    fn user(&mut self, name: u64) -> u32 {
        let (user, new) = self.users.of(name);
        if new {
            let rooms = Vec::new();
            self.store.users.push(User { name, rooms });
        }
        user
    }

    fn replica(&mut self, name: u64) -> u32 {
        let (replica, new) = self.replicas.of(name);
        if new {
            self.store.replicas.push(name);
        }
        replica
    }

    fn message(&mut self, id: Id) -> Result<u32, String> {
        let next = number_of(self.store.sent_by.len() + 1)?;
        let message = *self.messages.entry(id).or_insert(next);
        if message == next {
            self.store.sent_by.push(NONE);
        }
        Ok(message)
    }

    /// The process may ask for something.
    fn idle(&mut self, process: u64, time_ns: u64) -> Result<(), String> {
        let known = self.processes.entry(process).or_insert(Process {
            time_ns,
            state: State::Idle,
        });
        match known.state {
            State::Idle if time_ns < known.time_ns => Err(format!(
                "process {process} goes back in time, from {} ns",
                known.time_ns
            )),
            State::Idle => {
                known.time_ns = time_ns;
                Ok(())
            }
            State::Gone => Err(format!(
                "process {process} goes on after an operation with an unknown outcome"
            )),
            State::Send(..) | State::Page(..) => Err(format!(
                "process {process} begins an operation with another one open"
            )),
        }
    }

    fn open(&mut self, process: u64, state: State) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.state = state;
        }
    }

    fn send(&mut self, process: u64, room: u32, id: Id, line: u32) -> Result<u32, String> {
        let message = self.message(id)?;
        let sent_by = self.store.sent_by[message as usize];
        if sent_by != NONE {
            let first = self.store.sends[sent_by as usize].invoke;
            return Err(format!("its id was sent before, in line {first}"));
        }
        self.store.sends_to[room as usize] += 1;
        self.store.sends.push(Send {
            message,
            room,
            seq: 0,
            log_index: 0,
            invoke: line,
            complete: NONE,
            ending: Ending::Unknown,
        });
        let send = number_of(self.store.sends.len())?;
        self.store.sent_by[message as usize] = send;
        self.open(process, State::Send(send, id));
        Ok(send)
    }

    fn complete(
        &mut self,
        line: u32,
        time_ns: u64,
        (process, kind, room, id): (u64, Kind, Option<u64>, Option<Id>),
        outcome: Outcome,
        values: &mut &[Value],
    ) -> Result<Of, String> {
        let Some(known) = self.processes.get_mut(&process) else {
            return Err(format!("process {process} has no operation open"));
        };
        if time_ns < known.time_ns {
            return Err(format!(
                "process {process} goes back in time, from {} ns",
                known.time_ns
            ));
        }
        known.time_ns = time_ns;
        let next = match outcome {
            Outcome::Unknown => State::Gone,
            Outcome::Sent { .. } | Outcome::Page { .. } | Outcome::Fail => State::Idle,
        };
        match std::mem::replace(&mut known.state, next) {
            State::Idle | State::Gone => Err(format!("process {process} has no operation open")),
            State::Send(send, sent) => {
                if kind != Kind::Send {
                    return Err(format!("a {kind} is answered, but a send is open"));
                }
                if id.is_some_and(|id| id != sent) {
                    return Err("another id is answered than the one that was sent".to_owned());
                }
                self.sent(send, line, room, outcome)
            }
            State::Page(ask, invoke) => {
                let asked = match ask.is_read {
                    true => Kind::Read,
                    false => Kind::Inbox,
                };
                if kind != asked {
                    return Err(format!("a {kind} is answered, but a {asked} is open"));
                }
                if ask.is_read && room.is_some_and(|room| room != ask.of) {
                    return Err(format!("another room is answered than {}", ask.of));
                }
                self.page(&ask, invoke, line, outcome, values)
            }
        }
    }

    fn sent(
        &mut self,
        number: u32,
        line: u32,
        room: Option<u64>,
        outcome: Outcome,
    ) -> Result<Of, String> {
        let send = &mut self.store.sends[number as usize];
        let name = self.store.rooms[send.room as usize];
        if room.is_some_and(|room| room != name) {
            return Err(format!("another room is answered than {name}"));
        }
        send.complete = line;
        let outcomes = &mut self.store.outcomes[0];
        match outcome {
            Outcome::Sent { seq, log_index } => {
                if seq == 0 || log_index == 0 {
                    return Err("seqs and log indexes count from 1".to_owned());
                }
                outcomes.ok += 1;
                send.ending = Ending::Acknowledged;
                (send.seq, send.log_index) = (seq, log_index);
            }
            Outcome::Fail => {
                outcomes.failed += 1;
                send.ending = Ending::Failed;
            }
            Outcome::Unknown => outcomes.unknown += 1,
            Outcome::Page { .. } => unreachable!("an answer is of its kind"),
        }
        Ok(Of::Send(number))
    }

    fn page(
        &mut self,
        ask: &Ask,
        invoke: u32,
        complete: u32,
        outcome: Outcome,
        page: &mut &[Value],
    ) -> Result<Of, String> {
        let outcomes: &mut Outcomes = &mut self.store.outcomes[counter(ask)];
        let (count, applied_index, cursor) = match outcome {
            Outcome::Fail => {
                outcomes.failed += 1;
                return Ok(Of::Nothing);
            }
            Outcome::Unknown => {
                outcomes.unknown += 1;
                return Ok(Of::Nothing);
            }
            Outcome::Page {
                values,
                applied_index,
                cursor,
            } => (values, applied_index, cursor),
            Outcome::Sent { .. } => unreachable!("an answer is of its kind"),
        };
        outcomes.ok += 1;
        let (values, rest) = page.split_at(count);
        *page = rest;
        let of = if ask.is_read {
            Of::Read(self.read(ask, (invoke, complete), values, applied_index)?)
        } else {
            Of::Inbox(self.inbox(ask, (invoke, complete), values, applied_index, cursor)?)
        };
        self.store.of_line[invoke as usize] = PackedOf::from(of);
        Ok(of)
    }

    fn read(
        &mut self,
        ask: &Ask,
        (invoke, complete): (u32, u32),
        values: &[Value],
        applied_index: u64,
    ) -> Result<u32, String> {
        let room = self.room(ask.of);
        let replica = self.replica(ask.replica);
        let number = number_of(self.store.reads.len() + 1)?;
        let wrong = irregular(ask.after, ask.limit, values);
        let values_at = self.store.values.len();
        let mut count = 0;
        if wrong.is_none() {
            for value in values {
                let message = self.message(value.id)?;
                self.store.values.push(message);
                count += 1;
            }
        }
        self.store.reads.push(Read {
            room,
            replica,
            after: ask.after,
            applied_index,
            min_index: ask.min_index,
            values_at,
            count,
            limit: ask.limit,
            invoke,
            complete,
            consistency: ask.consistency,
            irregular: wrong.is_some(),
        });
        if let Some((rule, why)) = wrong {
            self.store.irregular.push(Irregular {
                read: number,
                rule,
                why,
            });
        }
        Ok(number)
    }

    fn inbox(
        &mut self,
        ask: &Ask,
        (invoke, complete): (u32, u32),
        values: &[Value],
        applied_index: u64,
        cursor: u64,
    ) -> Result<u32, String> {
        let user = self.user(ask.of);
        let replica = self.replica(ask.replica);
        let values_at = self.store.inbox_values.len();
        let mut count = 0;
        for value in values {
            let value = InboxValue {
                room: self.room(value.room),
                message: self.message(value.id)?,
                seq: value.seq,
            };
            self.store.inbox_values.push(value);
            count += 1;
        }
        self.store.inboxes.push(Inbox {
            user,
            replica,
            after: ask.after,
            cursor,
            applied_index,
            values_at,
            count,
            limit: ask.limit,
            invoke,
            complete,
            consistency: ask.consistency,
        });
        number_of(self.store.inboxes.len())
    }
}
