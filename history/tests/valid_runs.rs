//! Random runs of a cluster that keeps every promise: the check finds nothing. A message of an
//! answered page left out, or put in, it finds.

#![allow(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use telegraft_history::{Completion, Consistency, History, Op, check};

const ROOMS: u64 = 3;
const REPLICAS: usize = 3;
const PROCESSES: u64 = 6;
const USERS: u64 = 2;
const STEPS: u64 = 150;

/// xorshift64: G. Marsaglia, "Xorshift RNGs", 2003.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// What a process waits for.
struct Open {
    process: u64,
    op: Op,
    /// Once it took effect.
    answer: Option<Completion>,
}

struct Run {
    random: Random,
    history: History,
    now: u64,
    /// A room and an id where the entry is a message.
    log: Vec<Option<(u64, String)>>,
    /// What each replica has applied.
    applied: [usize; REPLICAS],
    open: Vec<Open>,
    idle: Vec<u64>,
    /// Sends that nobody waits for any more, and that did not take effect yet.
    late: Vec<Op>,
    /// How far each user has read its inbox.
    cursors: [u64; USERS as usize],
    next: u64,
    /// One page is to be changed.
    spoil: bool,
    /// The message that was changed, or left out.
    spoilt: Option<String>,
}

fn is_member(user: u64, room: u64) -> bool {
    room <= user + 1
}

impl Run {
    fn new(seed: u64, spoil: bool) -> Self {
        let mut history = History::new();
        for user in 1..=USERS {
            for room in (1..=ROOMS).filter(|&room| is_member(user, room)) {
                history.member(0, room, user);
            }
        }
        Run {
            random: Random(0x9E37_79B9_7F4A_7C15 ^ (seed + 1)),
            history,
            now: 0,
            log: vec![None],
            applied: [0; REPLICAS],
            open: Vec::new(),
            idle: (1..=PROCESSES).collect(),
            late: Vec::new(),
            cursors: [0; USERS as usize],
            next: PROCESSES + 1,
            spoil,
            spoilt: None,
        }
    }

    fn step(&mut self) {
        self.now += self.random.below(3);
        match self.random.below(12) {
            0..4 if !self.idle.is_empty() => self.invoke(),
            4..7 => self.take_effect(),
            7..10 => self.complete(),
            10 => {
                let replica = self.random.below(REPLICAS as u64) as usize;
                let to = self.random.below(self.log.len() as u64 + 1) as usize;
                if to >= self.applied[replica] {
                    self.applied[replica] = to;
                } else if self.random.below(4) == 0 {
                    self.history
                        .nemesis(self.now, "kill", Some(replica as u64 + 1), "");
                    self.applied[replica] = to;
                }
                if self.random.below(3) == 0 {
                    self.log.push(None);
                }
            }
            _ => {
                if !self.late.is_empty() {
                    let at = self.random.below(self.late.len() as u64) as usize;
                    let op = self.late.swap_remove(at);
                    self.effect(&op);
                }
            }
        }
    }

    fn invoke(&mut self) {
        let at = self.random.below(self.idle.len() as u64) as usize;
        let process = self.idle.swap_remove(at);
        let consistency = Consistency::ALL[self.random.below(3) as usize];
        let room = 1 + self.random.below(ROOMS);
        let replica = 1 + self.random.below(REPLICAS as u64);
        let limit = 1 + self.random.below(5) as u32;
        let op = match self.random.below(6) {
            0..3 => {
                self.next += 1;
                let id = format!("m{}", self.next);
                Op::Send { room, id }
            }
            3..5 => Op::Read {
                room,
                after: self.random.below(6),
                limit,
                consistency,
                replica,
                min_index: 0,
            },
            _ => {
                let user = 1 + self.random.below(USERS);
                // Most go on where the last one ended, some begin anew.
                let after = match self.random.below(4) {
                    0 => 0,
                    _ => self.cursors[user as usize - 1],
                };
                Op::Inbox {
                    user,
                    after,
                    limit,
                    consistency,
                    replica,
                }
            }
        };
        self.history.invoke(self.now, process, &op);
        self.open.push(Open {
            process,
            op,
            answer: None,
        });
    }

    fn take_effect(&mut self) {
        let waiting: Vec<usize> = (0..self.open.len())
            .filter(|&at| self.open[at].answer.is_none())
            .collect();
        if waiting.is_empty() {
            return;
        }
        let at = waiting[self.random.below(waiting.len() as u64) as usize];
        let op = self.open[at].op.clone();
        self.open[at].answer = Some(self.effect(&op));
    }

    /// Messages up to an index: log index, room, seq, id.
    fn messages(&self, applied: u64) -> Vec<(u64, u64, u64, String)> {
        let mut seqs = [0; ROOMS as usize + 1];
        let mut all = Vec::new();
        for (index, entry) in (1..=applied).zip(&self.log) {
            if let Some((room, id)) = entry {
                seqs[*room as usize] += 1;
                all.push((index, *room, seqs[*room as usize], id.clone()));
            }
        }
        all
    }

    fn effect(&mut self, op: &Op) -> Completion {
        let applied = |run: &Run, consistency: Consistency, replica: u64| match consistency {
            Consistency::Local => run.applied[replica as usize - 1] as u64,
            _ => run.log.len() as u64,
        };
        match op {
            Op::Send { room, id } => {
                self.log.push(Some((*room, id.clone())));
                let log_index = self.log.len() as u64;
                let (_, _, seq, _) = self.messages(log_index).pop().unwrap();
                let term = 1;
                Completion::Sent {
                    seq,
                    log_index,
                    term,
                }
            }
            Op::Read {
                room,
                after,
                limit,
                consistency,
                replica,
                ..
            } => {
                let applied_index = applied(self, *consistency, *replica);
                let all = self.messages(applied_index).into_iter();
                let page = all
                    .filter(|(_, of, seq, _)| of == room && seq > after)
                    .map(|(_, _, seq, id)| (seq, id))
                    .take(*limit as usize);
                Completion::Read {
                    values: page.collect(),
                    applied_index,
                }
            }
            Op::Inbox {
                user,
                after,
                limit,
                consistency,
                replica,
            } => {
                let applied_index = applied(self, *consistency, *replica);
                let all = self.messages(applied_index).into_iter();
                let page: Vec<(u64, u64, u64, String)> = all
                    .filter(|(index, room, ..)| index > after && is_member(*user, *room))
                    .take(*limit as usize)
                    .collect();
                let cursor = match page.len() < *limit as usize {
                    true => applied_index.max(*after),
                    false => page.last().unwrap().0,
                };
                let values = page.into_iter().map(|(_, room, seq, id)| (room, seq, id));
                Completion::Inbox {
                    values: values.collect(),
                    applied_index,
                    cursor,
                }
            }
        }
    }

    fn complete(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let at = self.random.below(self.open.len() as u64) as usize;
        let is_send = matches!(self.open[at].op, Op::Send { .. });
        let gives_up = is_send && self.random.below(6) == 0;
        if self.open[at].answer.is_none() && !gives_up {
            return;
        }
        let Open {
            process,
            op,
            answer,
        } = self.open.swap_remove(at);
        let mut answer = match (gives_up, answer) {
            (false, Some(answer)) => answer,
            (_, answer) => {
                let completion = match (answer.is_none(), self.random.below(2)) {
                    (true, 0) => Completion::Fail,
                    (true, _) => {
                        self.late.push(op.clone());
                        Completion::Unknown
                    }
                    (false, _) => Completion::Unknown,
                };
                self.history.complete(self.now, process, &op, &completion);
                self.idle.push(match completion {
                    Completion::Unknown => {
                        self.next += 1;
                        self.next
                    }
                    _ => process,
                });
                return;
            }
        };
        if let (Op::Inbox { user, .. }, Completion::Inbox { cursor, .. }) = (&op, &answer) {
            self.cursors[*user as usize - 1] = *cursor;
        }
        if self.spoil
            && let Completion::Read { values, .. } = &mut answer
            && let Some((seq, id)) = values.pop()
        {
            if self.random.below(2) == 0 {
                values.push((seq, format!("{id}x")));
            }
            self.spoilt = Some(id);
            self.spoil = false;
        }
        self.history.complete(self.now, process, &op, &answer);
        self.idle.push(process);
    }
}

fn run(seed: u64, spoil: bool) -> (History, Option<String>) {
    let mut run = Run::new(seed, spoil);
    for _ in 0..STEPS {
        run.step();
    }
    // All is told in the end: the whole rooms.
    for room in 1..=ROOMS {
        let op = Op::Read {
            room,
            after: 0,
            limit: 1000,
            consistency: Consistency::Linearizable,
            replica: 1,
            min_index: 0,
        };
        let process = 1_000_000 + room;
        run.now += 1;
        run.history.invoke(run.now, process, &op);
        let answer = run.effect(&op);
        run.now += 1;
        run.history.complete(run.now, process, &op, &answer);
    }
    (run.history, run.spoilt)
}

#[test]
fn runs_that_keep_every_promise_are_consistent() {
    let mut appeared = 0;
    for seed in 0..3000 {
        let (history, _) = run(seed, false);
        let verdict = check(&history);
        appeared += verdict.unknown_appeared;
        assert!(
            verdict.is_consistent(),
            "seed {seed}: {verdict}\n{}",
            String::from_utf8_lossy(history.as_bytes())
        );
    }
    assert!(appeared > 1000, "only {appeared} unknown sends appeared");
}

#[test]
fn a_page_that_lacks_its_last_message_or_shows_another_is_found() {
    let mut spoilt = 0;
    for seed in 0..1000 {
        let (history, message) = run(seed, true);
        let text = String::from_utf8_lossy(history.as_bytes());
        // Where a message of unknown outcome is in the log, nobody may know: a page without it may
        // be right.
        let is_acknowledged = |id: String| text.contains(&format!("\"value\":\"{id}\",\"seq\""));
        if !message.is_some_and(is_acknowledged) {
            continue;
        }
        spoilt += 1;
        let verdict = check(&history);
        assert!(!verdict.is_consistent(), "seed {seed}: {verdict}\n{text}");
    }
    assert!(spoilt > 500, "only {spoilt} runs were spoilt");
}
