//! Readable conversations with the Raft core, one rule each, in `raft_scripts/`.
//!
//! A script drives a cluster by hand and shows what each replica says and does. To change one,
//! edit its commands, run `UPDATE_GOLDENFILES=1 cargo test --test raft_scripts`, and read the
//! difference. The commands are those of [`Command`]; what they print:
//!
//! ```text
//! 1→2 t3 AppendEntries after=4/2 [5/3 a] commit=4 round=7      a message leaves (index/term)
//! 1→2 ✗ …                                                     it is lost: the link is cut
//! 1 is leader in term 3                                        a change of role, term or leader
//! 1 writes batch 2: term=3 vote=1 [5/3 noop]                   an append is handed to the disk
//! 1 commits 5: [5/3 noop]                                      entries are handed out to apply
//! 1 answers read 9 at 5                                        a read may see index 5
//! ```

#[path = "raft_scripts_world/mod.rs"]
mod world;

use std::error::Error;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use telegraft_cluster::raft::{HardState, LogIndex, NodeId, ReadMode, Term};
use world::{Filter, World};

/// What a script can say.
#[derive(goldenscript::Command)]
enum Command {
    /// A new cluster with replicas 1 to `nodes`, then learners. With `disk=manual`, what is
    /// written becomes durable by `sync` only. The log begins after `base` (index/term).
    Cluster {
        #[arg(key)]
        nodes: u64,
        #[arg(key, optional)]
        learners: u64,
        #[arg(key)]
        disk: Option<String>,
        #[arg(key)]
        base: Option<String>,
        #[arg(key)]
        max_append_bytes: Option<usize>,
        #[arg(key)]
        max_inflight: Option<usize>,
        #[arg(key)]
        max_open_bytes: Option<usize>,
        #[arg(key)]
        tail_bytes: Option<usize>,
        #[arg(key)]
        max_reads: Option<usize>,
    },
    /// Starts a replica from a log of entries with these terms, as if it had run before; with
    /// a `base` of its own, if given.
    Boot {
        id: NodeId,
        #[arg(pos, many, optional)]
        terms: Vec<u64>,
        #[arg(key)]
        term: u64,
        #[arg(key)]
        vote: Option<NodeId>,
        #[arg(key)]
        base: Option<String>,
    },
    /// Lets time pass until the replica's timer is due, and tells it (only it).
    Campaign(NodeId),
    /// The same, for a leader's heartbeat.
    Heartbeat(NodeId),
    /// Tells replicas the time as it is.
    Timeout(Vec<NodeId>),
    /// Lets time pass, in milliseconds; nobody is told.
    Wait(u64),
    /// Lets time pass, in milliseconds; timers go off and messages arrive at once.
    Run(u64),
    /// Delivers messages that are under way, oldest first; `first=1` only the oldest.
    Deliver {
        #[arg(key)]
        from: Option<NodeId>,
        #[arg(key)]
        to: Option<NodeId>,
        #[arg(key)]
        kind: Option<String>,
        #[arg(key)]
        first: Option<usize>,
    },
    /// Delivers until nothing is under way.
    Stabilize,
    /// Delivers and syncs until nothing is under way or being written.
    Settle {
        #[arg(key)]
        except: Option<NodeId>,
    },
    /// Loses messages.
    Drop {
        #[arg(key)]
        from: Option<NodeId>,
        #[arg(key)]
        to: Option<NodeId>,
        #[arg(key)]
        kind: Option<String>,
    },
    /// Puts messages aside, for `release` to bring them back late.
    Delay {
        #[arg(key)]
        from: Option<NodeId>,
        #[arg(key)]
        to: Option<NodeId>,
        #[arg(key)]
        kind: Option<String>,
    },
    /// Puts what was delayed back under way.
    Release,
    /// Doubles messages.
    Duplicate {
        #[arg(key)]
        from: Option<NodeId>,
        #[arg(key)]
        to: Option<NodeId>,
        #[arg(key)]
        kind: Option<String>,
    },
    /// Cuts one direction of a link.
    Cut {
        #[arg(key)]
        from: NodeId,
        #[arg(key)]
        to: NodeId,
    },
    /// Cuts a replica off, both ways.
    Isolate(NodeId),
    /// Mends every link.
    Heal,
    /// Proposes commands, all in one wake-up.
    Propose(NodeId, Vec<String>),
    /// Asks for read indexes, all in one wake-up; `mode=lease` for lease reads.
    Read(NodeId, Vec<u64>, #[arg(key = "mode")] Option<String>),
    /// Makes written batches durable: all, or the first `batches`; with `only=votes` only
    /// their terms and votes (the disk is full).
    Sync(
        NodeId,
        #[arg(key = "batches")] Option<usize>,
        #[arg(key = "only")] Option<String>,
    ),
    /// Kills a replica: what is not durable is gone.
    Crash(NodeId),
    /// Starts it from its disk.
    Restart(NodeId),
    /// Tells a replica that a frame to a peer was dropped.
    Unreachable(NodeId, #[arg(key = "peer")] NodeId),
    /// Answers a fetch from the disk, or not (`fail=true`).
    Fetched(
        NodeId,
        #[arg(key = "peer")] NodeId,
        #[arg(key = "fail", optional)] bool,
    ),
    /// Hands leadership over.
    Transfer(NodeId, #[arg(key = "to")] NodeId),
    /// Shows replicas, all or some.
    Status(#[arg(pos, many, optional)] Vec<NodeId>),
    /// Shows what is on disks, all or some.
    Disk(#[arg(pos, many, optional)] Vec<NodeId>),
}

struct Runner {
    world: World,
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(
        &mut self,
        command: &Command,
        _context: &goldenscript::Context,
    ) -> Result<String, Box<dyn Error>> {
        let world = &mut self.world;
        match command {
            Command::Cluster {
                nodes,
                learners,
                disk,
                base,
                max_append_bytes,
                max_inflight,
                max_open_bytes,
                tail_bytes,
                max_reads,
            } => {
                *world = World::default();
                world.manual_disk = disk.as_deref() == Some("manual");
                let limits = &mut world.config;
                let set = |limit: &mut usize, value: &Option<usize>| {
                    *limit = value.unwrap_or(*limit);
                };
                set(&mut limits.max_append_bytes, max_append_bytes);
                set(&mut limits.max_inflight_appends, max_inflight);
                set(&mut limits.max_open_bytes, max_open_bytes);
                set(&mut limits.tail_bytes, tail_bytes);
                set(&mut limits.max_pending_reads, max_reads);
                if let Some(base) = base {
                    world.base = parse_base(base)?;
                }
                world.start(*nodes, *learners);
            }
            Command::Boot {
                id,
                terms,
                term,
                vote,
                base,
            } => {
                let base = base.as_deref().map(parse_base).transpose()?;
                let hard_state = HardState {
                    term: *term,
                    vote: *vote,
                };
                world.boot(*id, base.unwrap_or(world.base), terms, hard_state);
            }
            Command::Campaign(id) | Command::Heartbeat(id) => world.wake_when_due(*id)?,
            Command::Timeout(ids) => {
                for id in ids {
                    world.wake(*id)?;
                }
            }
            Command::Wait(millis) => world.wait(*millis),
            Command::Run(millis) => world.run(*millis)?,
            Command::Deliver {
                from,
                to,
                kind,
                first,
            } => world.deliver(&Filter::new(*from, *to, kind), first.unwrap_or(usize::MAX))?,
            Command::Stabilize => world.stabilize()?,
            Command::Settle { except } => world.settle_all(*except)?,
            Command::Drop { from, to, kind } => {
                world.take(&Filter::new(*from, *to, kind));
            }
            Command::Delay { from, to, kind } => world.delay(&Filter::new(*from, *to, kind)),
            Command::Release => world.release(),
            Command::Duplicate { from, to, kind } => {
                world.duplicate(&Filter::new(*from, *to, kind));
            }
            Command::Cut { from, to } => world.cut(*from, *to),
            Command::Isolate(id) => world.isolate(*id),
            Command::Heal => world.heal(),
            Command::Propose(id, commands) => world.propose(*id, commands)?,
            Command::Read(id, reads, mode) => {
                let mode = match mode.as_deref() {
                    None => ReadMode::Linearizable,
                    Some("lease") => ReadMode::Lease,
                    Some(other) => return Err(format!("no read mode {other}").into()),
                };
                world.read(*id, reads, mode)?;
            }
            Command::Sync(id, batches, only) => {
                world.sync(*id, batches.unwrap_or(usize::MAX), only.is_some())?;
            }
            Command::Crash(id) => world.crash(*id)?,
            Command::Restart(id) => world.restart(*id),
            Command::Unreachable(id, peer) => world.unreachable(*id, *peer)?,
            Command::Fetched(id, peer, fail) => world.fetched(*id, *peer, *fail)?,
            Command::Transfer(id, to) => world.transfer(*id, *to)?,
            Command::Status(ids) => world.status(ids),
            Command::Disk(ids) => world.disks(ids),
        }
        world.check();
        Ok(std::mem::take(&mut world.output))
    }
}

/// An index and a term, as `10/3`.
fn parse_base(text: &str) -> Result<(LogIndex, Term), Box<dyn Error>> {
    let (index, term) = text.split_once('/').ok_or("a base is index/term")?;
    Ok((index.parse()?, term.parse()?))
}

/// Every file of the directory is a script; all that fail are named.
#[test]
fn scripts() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/raft_scripts");
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are no scripts");
    let mut failed = String::new();
    for path in paths {
        let mut runner = Runner {
            world: World::default(),
        };
        let run = AssertUnwindSafe(|| goldenscript::run(&mut runner, &path));
        match catch_unwind(run) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => writeln!(failed, "{}: {error}", path.display()).unwrap(),
            Err(_) => writeln!(failed, "{}: differs, see above", path.display()).unwrap(),
        }
    }
    assert!(failed.is_empty(), "scripts that failed:\n{failed}");
}
