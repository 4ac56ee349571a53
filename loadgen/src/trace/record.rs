//! Recording a load: its threads never wait for the disk.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::merge;
use super::spool::{self, Spool};
use super::{MAX_LINES, RecordError};
use crate::plan::Step;

/// Steps that a thread gathers before it hands them over: some 100 KB, a write of a good size.
const HANDED_STEPS: usize = 4_096;
/// Handed-over buffers that may wait for the disk, of all threads together.
const WAITING_BUFFERS: usize = 64;
/// Full buffers that a thread keeps to itself while those wait: some 25 MB, a stall of ten
/// seconds at 100 000 operations a second.
const KEPT_BUFFERS: usize = 256;

/// Bounds of a recording, which tests make small.
#[derive(Clone, Copy, Debug)]
struct Limits {
    handed: usize,
    waiting: usize,
    kept: usize,
    steps: u64,
}

const LIMITS: Limits = Limits {
    handed: HANDED_STEPS,
    waiting: WAITING_BUFFERS,
    kept: KEPT_BUFFERS,
    steps: MAX_LINES,
};

/// Steps of one load thread, on their way to the disk.
#[derive(Debug)]
struct Handed {
    part: usize,
    steps: Vec<Step>,
}

/// What the parts had left when they were dropped.
#[derive(Debug, Default)]
struct Left {
    handed: Vec<Handed>,
    lost: u64,
}

/// A recording that is being made. Dropped instead of finished, it leaves nothing behind.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    limits: Limits,
    spooler: JoinHandle<Result<Vec<Spool>, RecordError>>,
    left: Arc<Mutex<Left>>,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingSummary {
    /// The file.
    pub path: PathBuf,
    /// Operations in it.
    pub steps: u64,
    /// Its size.
    pub bytes: u64,
}

impl Recording {
    /// Begins a recording that will be `path`, of a load with so many threads: a part for each.
    /// The parts are spooled to files next to it. Nothing is there of it before it is finished,
    /// and a file that is there already stays until then.
    ///
    /// # Errors
    /// When the files cannot be made.
    pub fn begin(
        path: &Path,
        threads: usize,
    ) -> Result<(Recording, Vec<RecordingPart>), RecordError> {
        Self::begin_with(path, threads, LIMITS)
    }

    fn begin_with(
        path: &Path,
        threads: usize,
        limits: Limits,
    ) -> Result<(Recording, Vec<RecordingPart>), RecordError> {
        let spools: Result<Vec<Spool>, RecordError> = (0..threads)
            .map(|nth| Spool::create(path, nth).map_err(RecordError::io("write parts of", path)))
            .collect();
        let (sender, receiver) = sync_channel(limits.waiting);
        let spools = spools?;
        let target = path.to_owned();
        let spooler = thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || spool_all(&target, spools, &receiver, limits.steps))
            .map_err(RecordError::io("start the thread that writes", path))?;
        let left = Arc::new(Mutex::new(Left::default()));
        let parts = (0..threads)
            .map(|part| RecordingPart {
                part,
                limits,
                steps: Vec::with_capacity(limits.handed),
                kept: VecDeque::new(),
                lost: 0,
                sender: sender.clone(),
                left: Arc::clone(&left),
            })
            .collect();
        let recording = Recording {
            path: path.to_owned(),
            limits,
            spooler,
            left,
        };
        Ok((recording, parts))
    }

    /// Merges the parts by the moments when their steps were due, and writes the recording: as
    /// a whole or not at all. `user` and `room` name them. Blocks while it works on the disk.
    ///
    /// What was due in the same microsecond is put in the order of the users' names, of one user
    /// in that of operations, rooms and sizes. So a recording that is replayed and recorded again
    /// has the same bytes, however its steps are spread over the threads.
    ///
    /// # Panics
    /// When a part is still there: the load must be over.
    ///
    /// # Errors
    /// When the disk failed, when operations are missing because it was too slow, or when there
    /// is nothing to write or too much.
    pub fn finish<'n>(
        self,
        user: &dyn Fn(u32) -> Cow<'n, str>,
        room: &dyn Fn(u32) -> Cow<'n, str>,
    ) -> Result<RecordingSummary, RecordError> {
        assert_eq!(
            Arc::strong_count(&self.left),
            1,
            "a recording is finished when all of its parts are dropped"
        );
        let mut spools = self
            .spooler
            .join()
            .expect("the thread that writes parts does not panic")?;
        let left = std::mem::take(&mut *lock(&self.left));
        for Handed { part, steps } in left.handed {
            let spool = &mut spools[part];
            let appended = spool.append(&steps);
            appended.map_err(RecordError::io("write", spool.path()))?;
        }
        let steps: u64 = spools.iter().map(Spool::len).sum();
        let path = self.path;
        if left.lost > 0 {
            let lost = left.lost;
            let steps = steps + lost;
            return Err(RecordError::Lost { path, lost, steps });
        }
        if steps == 0 {
            return Err(RecordError::Nothing { path });
        }
        if steps > self.limits.steps {
            return Err(RecordError::TooMany { path });
        }
        let mut unfinished = Unfinished::create(&path)?;
        merge::write(spools, &unfinished.file, &unfinished.path, user, room)?;
        let bytes = unfinished.rename_to(&path)?;
        Ok(RecordingSummary { path, steps, bytes })
    }
}

fn lock(left: &Mutex<Left>) -> std::sync::MutexGuard<'_, Left> {
    // What is in it is whole at any moment.
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that writes the parts, until the last of them is dropped.
fn spool_all(
    path: &Path,
    mut spools: Vec<Spool>,
    handed: &Receiver<Handed>,
    max_steps: u64,
) -> Result<Vec<Spool>, RecordError> {
    let mut total = 0;
    // After an error nobody listens any more: the parts see that and go on.
    for Handed { part, steps } in handed {
        total += steps.len() as u64;
        if total > max_steps {
            let path = path.to_owned();
            return Err(RecordError::TooMany { path });
        }
        let spool = &mut spools[part];
        let appended = spool.append(&steps);
        appended.map_err(RecordError::io("write", spool.path()))?;
    }
    Ok(spools)
}

/// One load thread's part of a recording.
#[derive(Debug)]
pub struct RecordingPart {
    part: usize,
    limits: Limits,
    /// The buffer that is being filled.
    steps: Vec<Step>,
    /// Full ones that the channel had no room for, the oldest first.
    kept: VecDeque<Vec<Step>>,
    lost: u64,
    // Dropped before `left`, whose owners are counted.
    sender: SyncSender<Handed>,
    left: Arc<Mutex<Left>>,
}

impl RecordingPart {
    /// Records a step. Never waits: while the disk is behind, steps are kept in memory, up to a
    /// bound, and lost beyond it.
    pub fn push(&mut self, step: &Step) {
        if self.steps.len() == self.limits.handed {
            self.hand_over();
            if self.kept.len() < self.limits.kept {
                let next = Vec::with_capacity(self.limits.handed);
                let full = std::mem::replace(&mut self.steps, next);
                self.kept.push_back(full);
                self.hand_over();
            } else {
                self.lost += 1;
                return;
            }
        }
        self.steps.push(*step);
    }

    /// How many steps were lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Hands over what the channel has room for.
    fn hand_over(&mut self) {
        while let Some(steps) = self.kept.pop_front() {
            let part = self.part;
            match self.sender.try_send(Handed { part, steps }) {
                Ok(()) => {}
                Err(TrySendError::Full(handed)) => return self.kept.push_front(handed.steps),
                // The thread has failed, and finishing will tell why.
                Err(TrySendError::Disconnected(handed)) => self.lost += handed.steps.len() as u64,
            }
        }
    }
}

impl Drop for RecordingPart {
    fn drop(&mut self) {
        let last = std::mem::take(&mut self.steps);
        let part = self.part;
        let all = self.kept.drain(..).chain([last]);
        let mut left = lock(&self.left);
        left.lost += self.lost;
        left.handed.extend(all.map(|steps| Handed { part, steps }));
    }
}

/// The recording under another name, until it is whole; removed if it never is.
struct Unfinished {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Unfinished {
    fn create(target: &Path) -> Result<Unfinished, RecordError> {
        let mut path = target.as_os_str().to_owned();
        path.push(".new");
        let path = PathBuf::from(path);
        let file = File::create(&path).map_err(RecordError::io("write", &path))?;
        Ok(Unfinished {
            path,
            file,
            renamed: false,
        })
    }

    /// Puts the file, of so many bytes, into its place, and waits until it is there for good.
    fn rename_to(&mut self, target: &Path) -> Result<u64, RecordError> {
        let put = |file: &File| {
            file.sync_all()?;
            let bytes = file.metadata()?.len();
            fs::rename(&self.path, target)?;
            Ok(bytes)
        };
        let bytes = put(&self.file).map_err(RecordError::io("write", target))?;
        self.renamed = true;
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(RecordError::io("sync", directory))?;
        Ok(bytes)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.renamed {
            // Nothing is to be done about it; what failed is told already.
            let _ = spool::remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Kind;

    fn step(nth: u32) -> Step {
        Step {
            due_ns: u64::from(nth) * 1_000,
            kind: Kind::Send,
            user: nth,
            room: 0,
            size: 32,
            latest: false,
        }
    }

    fn name<'n>(number: u32) -> Cow<'n, str> {
        format!("name-{number}").into()
    }

    /// Names of what is in the directory.
    fn there(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a directory");
        entries
            .map(|entry| entry.expect("an entry").file_name().into_string())
            .map(|name| name.expect("ASCII"))
            .collect()
    }

    #[test]
    fn a_part_neither_waits_nor_loses_a_step_before_its_bound() {
        let limits = Limits {
            handed: 4,
            waiting: 1,
            kept: 2,
            steps: MAX_LINES,
        };
        // A disk that does nothing until the end.
        let (sender, disk) = sync_channel(limits.waiting);
        let left = Arc::new(Mutex::new(Left::default()));
        let mut part = RecordingPart {
            part: 0,
            limits,
            steps: Vec::new(),
            kept: VecDeque::new(),
            lost: 0,
            sender,
            left: Arc::clone(&left),
        };
        // One buffer waits, two are kept and one is filled.
        for nth in 0..16 {
            part.push(&step(nth));
            assert_eq!(part.lost(), 0, "step {nth}");
        }
        part.push(&step(16));
        part.push(&step(17));
        assert_eq!(part.lost(), 2);
        // The disk goes on, and so does the part.
        let mut seen = disk.recv().expect("a buffer").steps;
        part.push(&step(18));
        assert_eq!(part.lost(), 2);
        drop(part);
        let left = std::mem::take(&mut *lock(&left));
        assert_eq!(left.lost, 2);
        seen.extend(disk.iter().flat_map(|handed| handed.steps));
        seen.extend(left.handed.into_iter().flat_map(|handed| handed.steps));
        let expected: Vec<Step> = (0..16).chain([18]).map(step).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_recording_with_holes_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("chat.csv");
        let (recording, mut parts) = Recording::begin(&path, 2).expect("a recording");
        parts[0].push(&step(1));
        parts[1].push(&step(2));
        parts[1].lost = 3;
        drop(parts);
        let error = recording.finish(&name, &name).expect_err("holes");
        assert!(
            error.to_string().starts_with("3 of 5 operations"),
            "{error}"
        );
        assert!(there(dir.path()).is_empty());
    }

    #[test]
    fn more_than_can_be_read_again_is_not_recorded() {
        for handed in [2, 100] {
            let limits = Limits {
                handed,
                steps: 10,
                ..LIMITS
            };
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("chat.csv");
            let begun = Recording::begin_with(&path, 1, limits);
            let (recording, mut parts) = begun.expect("a recording");
            for nth in 0..11 {
                parts[0].push(&step(nth));
            }
            drop(parts);
            let error = recording.finish(&name, &name).expect_err("eleven");
            assert!(matches!(error, RecordError::TooMany { .. }), "{error}");
            assert!(there(dir.path()).is_empty());
        }
    }

    #[test]
    fn a_disk_that_fails_stops_no_load_and_is_told_at_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("chat.csv");
        let begun = Recording::begin(&path, 1).expect("a recording");
        let (mut recording, mut parts) = begun;
        // A thread that has met a full disk.
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let failed = RecordError::io("write", &path)(full);
        let (sender, gone) = sync_channel(1);
        drop(gone);
        parts[0].sender = sender;
        recording.spooler = thread::spawn(|| Err(failed));
        for nth in 0..20_000 {
            parts[0].push(&step(nth));
        }
        assert!(parts[0].lost() > 0);
        drop(parts);
        let error = recording.finish(&name, &name).expect_err("a full disk");
        assert!(matches!(error, RecordError::Io { .. }), "{error}");
        assert!(there(dir.path()).is_empty());
    }
}
