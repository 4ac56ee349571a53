//! From the parts of a recording to its file: an external merge sort.
//!
//! Each part is sorted in runs that fit into memory (in their place on the disk), then all runs
//! are merged (Knuth, The Art of Computer Programming 3, §5.4). Stable: steps of one part that
//! are due at the same moment stay in their order.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use super::RecordError;
use super::columns::{self, COLUMNS};
use super::spool::Spool;
use crate::plan::{NO_ROOM, Step};

/// Steps that are sorted in memory: 24 MB, and half as much to sort them.
const RUN_STEPS: usize = 1 << 20;
/// Steps of a run that are in memory while the runs are merged.
const READ_STEPS: usize = 4_096;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 18;

/// Writes the steps of all parts to `file`, which is at `path`.
pub(super) fn write<'n>(
    spools: Vec<Spool>,
    file: &File,
    path: &Path,
    user: &dyn Fn(u32) -> Cow<'n, str>,
    room: &dyn Fn(u32) -> Cow<'n, str>,
) -> Result<(), RecordError> {
    let mut runs = Runs::sort(spools, RUN_STEPS, READ_STEPS)?;
    let mut lines = Lines {
        csv: csv::WriterBuilder::new()
            .buffer_capacity(WRITE_BYTES)
            .from_writer(file),
        text: String::new(),
        user,
        room,
    };
    let failed = |error: csv::Error| RecordError::io("write", path)(error.into());
    lines.csv.write_record(COLUMNS).map_err(failed)?;
    // What is due in one microsecond: little, or as much of the recording as its clock is coarse.
    let mut together: Vec<Step> = Vec::new();
    while let Some(step) = runs.next()? {
        if together
            .first()
            .is_some_and(|first| micros(first) != micros(&step))
        {
            lines.write(&mut together).map_err(failed)?;
        }
        together.push(step);
    }
    lines.write(&mut together).map_err(failed)?;
    lines.csv.flush().map_err(RecordError::io("write", path))
}

fn micros(step: &Step) -> u64 {
    step.due_ns / 1_000
}

/// The file's lines.
struct Lines<'a, 'n> {
    csv: csv::Writer<&'a File>,
    /// Kept, so that a field needs no memory.
    text: String,
    user: &'a dyn Fn(u32) -> Cow<'n, str>,
    room: &'a dyn Fn(u32) -> Cow<'n, str>,
}

impl<'n> Lines<'_, 'n> {
    fn room(&self, step: &Step) -> Cow<'n, str> {
        match step.room {
            NO_ROOM => Cow::Borrowed(""),
            room => (self.room)(room),
        }
    }

    /// Writes steps of one microsecond, in their canonical order, and leaves none.
    fn write(&mut self, together: &mut Vec<Step>) -> Result<(), csv::Error> {
        if together.len() > 1 {
            // By everything that a line says: which thread carried a step out leaves no trace.
            together.sort_by_cached_key(|step| {
                let (user, room) = ((self.user)(step.user), self.room(step));
                (user, columns::operation_name(step), room, step.size)
            });
        }
        for step in together.drain(..) {
            self.text.clear();
            columns::write_offset(&mut self.text, step.due_ns);
            self.csv.write_field(&self.text)?;
            self.csv.write_field((self.user)(step.user).as_bytes())?;
            self.csv.write_field(columns::operation_name(&step))?;
            self.csv.write_field(self.room(&step).as_bytes())?;
            self.text.clear();
            columns::write_size(&mut self.text, &step);
            self.csv.write_field(&self.text)?;
            self.csv.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }
}

/// A sorted stretch of a part.
struct Run {
    part: usize,
    /// The steps that follow the ones in memory, as places in the part.
    rest: Range<u64>,
    /// Steps in memory.
    steps: std::vec::IntoIter<Step>,
}

/// All steps, in order of time.
struct Runs {
    spools: Vec<Spool>,
    runs: Vec<Run>,
    read_steps: usize,
    /// The next step's moment and the place in `runs` of each that has one. Equal moments come
    /// in the order of the parts, and of their stretches.
    next: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Runs {
    /// Sorts stretches of `run_steps` in their places on the disk.
    fn sort(
        mut spools: Vec<Spool>,
        run_steps: usize,
        read_steps: usize,
    ) -> Result<Runs, RecordError> {
        let mut runs = Vec::new();
        let mut steps = Vec::new();
        for (part, spool) in spools.iter_mut().enumerate() {
            for first in (0..spool.len()).step_by(run_steps) {
                let rest = first..spool.len().min(first + run_steps as u64);
                read(spool, &rest, run_steps, &mut steps)?;
                if !steps.is_sorted_by_key(|step| step.due_ns) {
                    steps.sort_by_key(|step| step.due_ns);
                    let written = spool.overwrite(first, &steps);
                    written.map_err(RecordError::io("write", spool.path()))?;
                }
                let steps = Vec::new().into_iter();
                runs.push(Run { part, rest, steps });
            }
        }
        let mut runs = Runs {
            spools,
            runs,
            read_steps,
            next: BinaryHeap::new(),
        };
        for run in 0..runs.runs.len() {
            runs.look_at(run)?;
        }
        Ok(runs)
    }

    /// Puts the next step of a run, if it has one, among the next ones of all.
    fn look_at(&mut self, nth: usize) -> Result<(), RecordError> {
        let run = &mut self.runs[nth];
        if run.steps.as_slice().is_empty() && !run.rest.is_empty() {
            let mut steps = Vec::new();
            read(
                &self.spools[run.part],
                &run.rest,
                self.read_steps,
                &mut steps,
            )?;
            run.rest.start += steps.len() as u64;
            run.steps = steps.into_iter();
        }
        if let Some(step) = run.steps.as_slice().first() {
            self.next.push(Reverse((step.due_ns, nth)));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Step>, RecordError> {
        let Some(Reverse((_, nth))) = self.next.pop() else {
            return Ok(None);
        };
        let step = self.runs[nth].steps.next();
        self.look_at(nth)?;
        Ok(step)
    }
}

/// Reads the first of the steps in `range`, at most `most`.
fn read(
    spool: &Spool,
    range: &Range<u64>,
    most: usize,
    out: &mut Vec<Step>,
) -> Result<(), RecordError> {
    let count = usize::try_from(range.end - range.start).map_or(most, |count| count.min(most));
    spool
        .read(range.start, count, out)
        .map_err(RecordError::io("read", spool.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Kind;

    #[test]
    fn parts_that_are_out_of_order_come_in_order_and_equal_moments_stay_in_theirs() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut spools = Vec::new();
        let mut all = Vec::new();
        for part in 0..3 {
            let mut spool = Spool::create(&dir.path().join("chat.csv"), part).expect("a file");
            // Seven moments, each many times, far out of order: 1, 3, 9, … modulo 7.
            let steps: Vec<Step> = (0..100_u32)
                .map(|nth| Step {
                    due_ns: 3_u64.pow(nth % 6) % 7,
                    kind: Kind::Send,
                    user: u32::try_from(part).expect("three"),
                    room: nth,
                    size: 32,
                    latest: false,
                })
                .collect();
            for some in steps.chunks(9) {
                spool.append(some).expect("space");
            }
            all.extend(steps);
            spools.push(spool);
        }
        all.sort_by_key(|step| step.due_ns);
        let mut runs = Runs::sort(spools, 16, 5).expect("no trouble");
        let mut merged = Vec::new();
        while let Some(step) = runs.next().expect("no trouble") {
            merged.push(step);
        }
        assert_eq!(merged, all);
    }
}
