//! What a run is, once everything about it is settled.

use std::time::Duration;

use rand::TryRng as _;
use rand::rngs::SysRng;
use telegraft_cluster::local::{DiskLimit, Links, can_count_cuts, can_mount, can_use_namespaces};
use telegraft_cluster::node::Mailbox;

use super::client::BALLAST_BYTES;
use super::fault::FaultKind;
use super::schedule::{Request, Schedule, possible};
use super::{Job, StressError};
use crate::values::duration_text;

/// The size of the replicas' log segments, in bytes: small, so that segments are sealed often, and
/// a disk without room is noticed soon.
pub(super) const SEGMENT_BYTES: u64 = 2 << 20;
/// What a disk holds beside what is written, in bytes: segments that are allocated ahead.
const DISK_BASE: u64 = 32 << 20;
/// What a client writes in a second to each replica, in bytes, and as much again.
const DISK_PER_CLIENT: u64 = 8 << 10;
/// Large messages that are sent to notice that a disk is full: more than the two segments that a
/// replica has allocated ahead.
pub(super) const FLOOD: u64 = 6 * SEGMENT_BYTES / BALLAST_BYTES as u64;
/// What is written for that, in bytes, and as much again.
const DISK_PER_FAULT: u64 = 12 * SEGMENT_BYTES;

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) job: Job,
    pub(super) seed: u64,
    /// What is to happen.
    pub(super) kinds: Vec<FaultKind>,
    /// What is left out, and why.
    pub(super) skipped: Vec<String>,
    pub(super) schedule: Schedule,
}

impl Plan {
    /// Settles it.
    ///
    /// # Errors
    /// [`StressError::Usage`], with what makes no sense or cannot be done here.
    pub(super) fn new(job: Job) -> Result<Plan, StressError> {
        if job.namespaces {
            can_use_namespaces().map_err(|why| StressError::Usage(format!("--netns: {why}")))?;
        }
        let seed = match job.seed {
            Some(seed) => seed,
            None => u64::from(SysRng.try_next_u32().map_err(|error| {
                StressError::Failed(format!("the system gives no random numbers: {error}"))
            })?),
        };
        let (mut kinds, mut skipped) = (Vec::new(), Vec::new());
        for kind in FaultKind::ALL {
            let asked = job.faults.as_ref().map(|kinds| kinds.contains(&kind));
            match (asked, can(kind, &job)) {
                (Some(false), _) => {}
                (Some(true) | None, Ok(())) => kinds.push(kind),
                (None, Err(why)) => skipped.push(format!("{kind} is left out: {why}")),
                (Some(true), Err(why)) => {
                    return Err(StressError::Usage(format!("--faults {kind}: {why}")));
                }
            }
        }
        let schedule = Schedule::draw(&Request {
            seed,
            duration: job.duration,
            replicas: job.replicas,
            kinds: kinds.clone(),
        });
        let mut schedule = schedule.map_err(StressError::Usage)?;
        if job.namespaces
            && kinds.contains(&FaultKind::Partition)
            && let Err(why) = can_count_cuts()
        {
            schedule.cut_in_silence();
            skipped.push(format!(
                "links are cut in silence only, and what meets a cut is not counted: {why}"
            ));
        }
        Ok(Plan {
            schedule,
            job,
            seed,
            kinds,
            skipped,
        })
    }

    /// How the replicas reach each other.
    pub(super) fn links(&self) -> Links {
        if self.job.namespaces {
            Links::Namespaces
        } else {
            Links::Faulty { seed: self.seed }
        }
    }

    /// How large the disks are, if they are to be full.
    pub(super) fn disk(&self) -> Option<DiskLimit> {
        if !self.kinds.contains(&FaultKind::DiskFull) {
            return None;
        }
        let faults = self.schedule.faults.iter();
        let fulls = faults.filter(|fault| fault.action.kind() == FaultKind::DiskFull);
        let clients = self.job.clients as u64;
        Some(DiskLimit {
            bytes: DISK_BASE
                + DISK_PER_CLIENT * clients * self.job.duration.as_secs()
                + DISK_PER_FAULT * fulls.count() as u64,
        })
    }

    /// The command that does the same again.
    pub(super) fn command(&self) -> String {
        let Job {
            replicas,
            duration,
            clients,
            rooms,
            ..
        } = self.job;
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let mut command = format!(
            "telegraft stress --replicas {replicas} --duration {} --seed {} --faults {} \
             --clients {clients} --rooms {rooms}",
            duration_text(duration),
            self.seed,
            kinds.join(",")
        );
        if self.job.mailbox == Mailbox::Fifo {
            command.push_str(" --mailbox fifo");
        }
        if self.job.namespaces {
            command.push_str(" --netns");
        }
        command
    }

    /// All of it, for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.command());
        for line in &self.skipped {
            text.push_str(&format!("{line}\n"));
        }
        if !self.skipped.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{}\n", self.schedule));
        text
    }
}

/// Whether a kind of fault can be had; why not.
fn can(kind: FaultKind, job: &Job) -> Result<(), String> {
    if !possible(kind, job.replicas) {
        return Err("one replica alone has no links".to_owned());
    }
    match kind {
        FaultKind::DiskFull => can_mount(),
        FaultKind::Kill | FaultKind::Pause | FaultKind::Restart | FaultKind::Partition => Ok(()),
        _ if job.namespaces => Err("network namespaces can only cut links".to_owned()),
        _ => Ok(()),
    }
}

/// The shortest and the longest run.
pub(super) fn check(job: &Job) -> Result<(), StressError> {
    /// Half a day: the history is checked in memory.
    const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
    let usage = |why: String| Err(StressError::Usage(why));
    if job.duration > LONGEST {
        return usage(format!("a run takes {} at most", duration_text(LONGEST)));
    }
    if job.clients == 0 || job.rooms == 0 || job.replicas == 0 {
        return usage("replicas, clients and rooms are at least one each".to_owned());
    }
    Ok(())
}
