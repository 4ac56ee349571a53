//! Writes a large history that keeps every promise, and checks it: how fast, in how much memory.
//!
//! `cargo run --release -p telegraft-history --example large_history -- 5m 5m FILE [check]`
//! writes FILE with five million sends and five million reads, of two values on average; with
//! `check` it then checks FILE. With `only` instead, it checks a FILE that is there.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use telegraft_history::{CheckOptions, Completion, Consistency, Op, Writer, check_file};

const ROOMS: u64 = 200;
const REPLICAS: u64 = 5;
const PROCESSES: usize = 128;
/// One send of so many has an unknown outcome; half of these happen.
const UNKNOWN_OF: u64 = 500;
/// A step of the clock, on average.
const STEP_NS: u64 = 1500;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [sends, reads, file, rest @ ..] = args.as_slice() else {
        eprintln!("usage: large_history SENDS READS FILE [check|only]");
        return ExitCode::from(2);
    };
    let (Some(sends), Some(reads)) = (count(sends), count(reads)) else {
        eprintln!("a count is a number, as 200k or 5m");
        return ExitCode::from(2);
    };
    let path = Path::new(file);
    let mode = rest.first().map_or("", String::as_str);
    if mode != "only" {
        let began = Instant::now();
        if let Err(error) = File::create(path).and_then(|file| write(file, sends, reads)) {
            eprintln!("cannot write {file}: {error}");
            return ExitCode::FAILURE;
        }
        let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
        eprintln!(
            "{} MB written in {:.1?}",
            bytes / 1_000_000,
            began.elapsed()
        );
    }
    if mode.is_empty() {
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    match check_file(path, &CheckOptions::default()) {
        Ok(verdict) => {
            println!("{verdict}");
            let peak = fs::read_to_string("/proc/self/status").unwrap_or_default();
            let peak = peak.lines().find(|line| line.starts_with("VmHWM"));
            println!("checked in {:.1?}; {}", began.elapsed(), peak.unwrap_or(""));
            ExitCode::from(if verdict.is_consistent() { 0 } else { 3 })
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn count(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 1_000),
        b'm' => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A process and what it waits for.
struct Open {
    process: u64,
    op: Op,
    completion: Completion,
}

/// A log that operations take effect in at once; they are answered later, in any order.
struct World {
    rooms: Vec<Vec<(u64, String)>>,
    applied: u64,
    /// What local reads may still see: applied indexes, the oldest first.
    past: VecDeque<u64>,
    random: u64,
}

impl World {
    /// xorshift64: G. Marsaglia, "Xorshift RNGs", 2003.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn append(&mut self, room: u64, id: &str) -> Completion {
        // Other entries stand in the log too.
        self.applied += 1 + u64::from(self.random(50) == 0);
        let messages = &mut self.rooms[room as usize];
        messages.push((self.applied, id.to_owned()));
        Completion::Sent {
            seq: messages.len() as u64,
            log_index: self.applied,
            term: 1,
        }
    }

    fn page(&self, room: u64, after: u64, limit: usize, applied: u64) -> Completion {
        let messages = &self.rooms[room as usize];
        let values = (after + 1..)
            .zip(&messages[after as usize..])
            .take(limit)
            .take_while(|(_, (index, _))| *index <= applied)
            .map(|(seq, (_, id))| (seq, id.clone()));
        Completion::Read {
            values: values.collect(),
            applied_index: applied,
        }
    }
}

fn write(file: File, sends: u64, reads: u64) -> io::Result<()> {
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, file));
    let mut world = World {
        rooms: vec![Vec::new(); ROOMS as usize + 1],
        applied: 1,
        past: VecDeque::from([1]),
        random: 0x2545_F491_4F6C_DD1D,
    };
    let mut open: Vec<Open> = Vec::new();
    let mut idle: Vec<u64> = (0..PROCESSES as u64).collect();
    let (mut sent, mut read, mut now, mut next_process) = (0, 0, 0, PROCESSES as u64);
    while sent < sends || read < reads || !open.is_empty() {
        now += 1 + world.random(2 * STEP_NS);
        if now % 1_000_003 < STEP_NS {
            let replica = 1 + world.random(REPLICAS);
            writer.nemesis(now, "pause", Some(replica), "")?;
        }
        let more = sent < sends || read < reads;
        if more && !idle.is_empty() && (open.is_empty() || world.random(2) == 0) {
            let at = world.random(idle.len() as u64) as usize;
            let process = idle.swap_remove(at);
            let room = 1 + world.random(ROOMS);
            let sends_next = sent * reads <= read * sends;
            let (op, completion) = if sends_next && sent < sends {
                sent += 1;
                let id = format!("{process}-{sent}");
                let op = Op::Send {
                    room,
                    id: id.clone(),
                };
                let fate = world.random(2 * UNKNOWN_OF);
                let completion = match fate {
                    0 => Completion::Unknown,
                    1 => {
                        world.append(room, &id);
                        Completion::Unknown
                    }
                    _ => world.append(room, &id),
                };
                world.past.push_back(world.applied);
                if world.past.len() > 1000 {
                    world.past.pop_front();
                }
                (op, completion)
            } else {
                read += 1;
                let consistency = match world.random(4) {
                    0 => Consistency::Local,
                    1 => Consistency::Lease,
                    _ => Consistency::Linearizable,
                };
                let limit = 2 + world.random(4);
                let messages = world.rooms[room as usize].len() as u64;
                let after = messages.saturating_sub(world.random(7));
                let applied = match consistency {
                    // A little behind, but never back.
                    Consistency::Local => world.past[world.past.len() / 2],
                    _ => world.applied,
                };
                let completion = world.page(room, after, limit as usize, applied);
                let op = Op::Read {
                    room,
                    after,
                    limit: limit as u32,
                    consistency,
                    replica: 1 + world.random(REPLICAS),
                    min_index: 0,
                };
                (op, completion)
            };
            writer.invoke(now, process, &op)?;
            open.push(Open {
                process,
                op,
                completion,
            });
        } else if !open.is_empty() {
            let at = world.random(open.len() as u64) as usize;
            let Open {
                process,
                op,
                completion,
            } = open.swap_remove(at);
            writer.complete(now, process, &op, &completion)?;
            idle.push(match completion {
                Completion::Unknown => {
                    next_process += 1;
                    next_process
                }
                _ => process,
            });
        }
    }
    writer.finish()?.flush()
}
