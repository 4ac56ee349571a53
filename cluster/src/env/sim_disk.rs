//! A disk in memory that forgets what was not synced.
//!
//! What is written is kept in sectors, each with what is on the platter and every version
//! that was written since the last sync. A crash picks one of them for each sector. Names
//! are kept the same way: the directory as everyone sees it, the directory on the platter,
//! and the operations between the two. Sectors themselves are never torn, and directories
//! are durable when they are created.

mod crash_states;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use crash_states::{CrashState, CrashStates};

use super::{Disk, DiskFile};

/// What a disk writes whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

type Sector = Arc<[u8; SECTOR_BYTES]>;
/// Sectors by number; one that is missing reads as zeros.
type Sectors = BTreeMap<u64, Sector>;
type FileId = u64;

/// A disk in memory that forgets what was not synced, and can be made to fail.
#[derive(Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    files: BTreeMap<FileId, Contents>,
    next_file: FileId,
    directories: BTreeSet<PathBuf>,
    /// What everyone sees.
    names: BTreeMap<PathBuf, FileId>,
    /// What a crash leaves, at least.
    durable_names: BTreeMap<PathBuf, FileId>,
    /// What was done to names since their directory was synced, oldest first.
    name_changes: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    /// Counts crashes and kills: a file opened or a lock taken before one is dead after it.
    life: u64,
    capacity: Option<u64>,
    fail_next_sync: bool,
    operations: u64,
    /// The power goes once this many operations were done.
    power_until: Option<u64>,
    counts: DiskCounts,
}

/// What a disk has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Writes to files.
    pub writes: u64,
    /// The bytes of those.
    pub written_bytes: u64,
    /// Syncs of files that went well.
    pub syncs: u64,
    /// Syncs of files that failed because of [`SimDisk::fail_next_sync`].
    pub failed_syncs: u64,
    /// Writes and allocations refused because the disk was full.
    pub refused: u64,
    /// Losses of power, by [`SimDisk::crash`].
    pub crashes: u64,
    /// Ends of processes, by [`SimDisk::kill`].
    pub kills: u64,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    seen: Sectors,
    durable: Sectors,
    /// The versions of each sector written since it was last synced, oldest first.
    unsynced: BTreeMap<u64, Vec<Sector>>,
    len: u64,
    durable_len: u64,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(PathBuf, FileId),
    Rename(PathBuf, PathBuf, FileId),
    Remove(PathBuf),
}

impl NameChange {
    /// Whether it is of this directory. (Nothing is renamed from one to another.)
    fn is_in(&self, directory: &Path) -> bool {
        let (NameChange::Create(path, _)
        | NameChange::Rename(path, _, _)
        | NameChange::Remove(path)) = self;
        path.parent() == Some(directory)
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, FileId>) {
        match self {
            NameChange::Create(path, file) => {
                names.insert(path.clone(), *file);
            }
            NameChange::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

/// How much of what was not synced a crash lets through.
#[derive(Clone, Copy)]
enum Mercy {
    None,
    Some,
    All,
}

impl Mercy {
    /// All and nothing are as likely as every mix together, or they would never come up.
    fn draw(rng: &mut StdRng) -> Mercy {
        match rng.random_range(0..4) {
            0 => Mercy::None,
            1 => Mercy::All,
            _ => Mercy::Some,
        }
    }
}

impl Contents {
    fn crash(&mut self, rng: &mut StdRng) {
        let mercy = Mercy::draw(rng);
        for (number, versions) in std::mem::take(&mut self.unsynced) {
            // 0 is what is on the platter, the others are the versions in order.
            let chosen = match mercy {
                Mercy::None => 0,
                Mercy::Some => rng.random_range(0..=versions.len()),
                Mercy::All => versions.len(),
            };
            if let Some(index) = chosen.checked_sub(1) {
                self.durable.insert(number, Arc::clone(&versions[index]));
            }
        }
        let longer = match mercy {
            Mercy::None => false,
            Mercy::Some => rng.random(),
            Mercy::All => true,
        };
        if longer {
            self.durable_len = self.len;
        }
        self.settle();
    }

    /// What is on the platter is all that there is.
    fn settle(&mut self) {
        self.len = self.durable_len;
        let beyond = self.len.div_ceil(SECTOR_BYTES as u64);
        self.durable.retain(|number, _| *number < beyond);
        self.seen = self.durable.clone();
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) {
        for (number, inside, range) in pieces(offset, buffer.len()) {
            let piece = &mut buffer[range];
            match self.seen.get(&number) {
                Some(sector) => piece.copy_from_slice(&sector[inside..inside + piece.len()]),
                None => piece.fill(0),
            }
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (number, inside, range) in pieces(offset, bytes.len()) {
            let piece = &bytes[range];
            let mut sector = match self.seen.get(&number) {
                Some(sector) => **sector,
                None => [0; SECTOR_BYTES],
            };
            sector[inside..inside + piece.len()].copy_from_slice(piece);
            let sector = Arc::new(sector);
            self.seen.insert(number, Arc::clone(&sector));
            self.unsynced.entry(number).or_default().push(sector);
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    fn sync(&mut self) {
        for (number, versions) in std::mem::take(&mut self.unsynced) {
            let newest = versions.into_iter().next_back();
            self.durable
                .insert(number, newest.expect("a version was written"));
        }
        self.durable_len = self.len;
    }
}

/// The parts of a range, sector by sector: number, offset inside it, range of the buffer.
fn pieces(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let number = at / SECTOR_BYTES as u64;
        let inside = usize::try_from(at % SECTOR_BYTES as u64).expect("it is below a sector");
        let start = done;
        done += (SECTOR_BYTES - inside).min(length - start);
        Some((number, inside, start..done))
    })
}

impl State {
    /// Counts an operation that changes something; an error once the power is gone.
    fn operate(&mut self) -> io::Result<()> {
        self.powered()?;
        self.operations += 1;
        Ok(())
    }

    fn powered(&self) -> io::Result<()> {
        match self.power_until {
            Some(until) if self.operations >= until => Err(io::Error::other("the power is gone")),
            _ => Ok(()),
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[file].len).sum()
    }

    /// Whether a file may become `len` bytes long.
    fn check_room(&mut self, file: FileId, len: u64) -> io::Result<()> {
        let growth = len.saturating_sub(self.files[&file].len);
        match self.capacity {
            Some(capacity) if growth > 0 && self.used() + growth > capacity => {
                self.counts.refused += 1;
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<FileId> {
        self.powered()?;
        self.find_name(path)
    }

    fn find_name(&self, path: &Path) -> io::Result<FileId> {
        match self.names.get(path) {
            Some(file) => Ok(*file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        SimDisk::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// The power goes: of what was written since the last sync any part may be there, torn
    /// and in any order, as `seed` decides; every open file is dead and every lock free.
    /// Then it comes back.
    pub fn crash(&self, seed: u64) {
        let mut state = self.state();
        let state = &mut *state;
        let mut rng = StdRng::seed_from_u64(seed);
        let changes = std::mem::take(&mut state.name_changes);
        // A journal loses the newest changes, other file systems any.
        let mercy = Mercy::draw(&mut rng);
        let through = rng.random_range(0..=changes.len());
        let ordered: bool = rng.random();
        for (position, change) in changes.iter().enumerate() {
            let survives = match mercy {
                Mercy::None => false,
                Mercy::Some if ordered => position < through,
                Mercy::Some => rng.random(),
                Mercy::All => true,
            };
            if survives {
                change.apply(&mut state.durable_names);
            }
        }
        state.names = state.durable_names.clone();
        let named: BTreeSet<FileId> = state.names.values().copied().collect();
        state.files.retain(|file, _| named.contains(file));
        for contents in state.files.values_mut() {
            contents.crash(&mut rng);
        }
        state.locks.clear();
        state.life += 1;
        state.fail_next_sync = false;
        state.power_until = None;
        state.counts.crashes += 1;
    }

    /// The process is gone, the machine goes on: every open file is dead and every lock free,
    /// and all that was written is there, though what was not synced still isn't safe from
    /// [`SimDisk::crash`].
    pub fn kill(&self) {
        let mut state = self.state();
        state.locks.clear();
        state.life += 1;
        state.counts.kills += 1;
    }

    /// What it has done so far.
    pub fn counts(&self) -> DiskCounts {
        self.state().counts
    }

    /// Whether it has power: it has none from where [`SimDisk::cut_power_after`] cut it until
    /// [`SimDisk::crash`].
    pub fn has_power(&self) -> bool {
        self.state().powered().is_ok()
    }

    /// The next sync of a file fails, once; what it covered is lost at the next crash, though
    /// it can be read until then.
    pub fn fail_next_sync(&self) {
        self.state().fail_next_sync = true;
    }

    /// Limits what all files together may hold, in bytes, or with `None` no more. What is
    /// there already stays, however much it is.
    pub fn set_capacity(&self, bytes: impl Into<Option<u64>>) {
        self.state().capacity = bytes.into();
    }

    /// What all files together hold, in bytes.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// How many operations have changed something or synced it, so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// After `operations` more, everything fails until [`SimDisk::crash`] decides what is
    /// left and brings the power back.
    pub fn cut_power_after(&self, operations: u64) {
        let mut state = self.state();
        state.power_until = Some(state.operations + operations);
    }

    /// A disk of its own in the same state, what is not synced included, and with power: what
    /// the next process finds after one was killed.
    pub fn fork(&self) -> SimDisk {
        let mut state = self.state().clone();
        // Nobody has files open or locks there.
        state.life += 1;
        state.locks.clear();
        state.power_until = None;
        SimDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Flips one bit of a file, as a decaying disk does.
    ///
    /// # Panics
    /// When there is no such byte.
    pub fn flip(&self, path: &Path, offset: u64, bit: u8) {
        let mut state = self.state();
        let file = *state.names.get(path).expect("there is such a file");
        let contents = state.files.get_mut(&file).expect("a name has a file");
        assert!(offset < contents.len, "there is such a byte");
        let (number, inside, _) = pieces(offset, 1).next().expect("one byte is in a sector");
        for sectors in [&mut contents.seen, &mut contents.durable] {
            let mut sector = match sectors.get(&number) {
                Some(sector) => **sector,
                None => [0; SECTOR_BYTES],
            };
            sector[inside] ^= 1 << bit;
            sectors.insert(number, Arc::new(sector));
        }
    }

    fn file(&self, file: FileId, life: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile {
            state: Arc::clone(&self.state),
            file,
            life,
        })
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        for ancestor in path.ancestors() {
            state.directories.insert(ancestor.to_owned());
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.powered()?;
        if !state.directories.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = state
            .names
            .keys()
            .filter(|name| name.parent() == Some(path));
        Ok(names
            .filter_map(|name| Some(name.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        let file = state.find(path)?;
        Ok(self.file(file, state.life))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.operate()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path
            .parent()
            .is_some_and(|parent| state.directories.contains(parent))
        {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(file, Contents::default());
        state.change_name(NameChange::Create(path.to_owned(), file));
        Ok(self.file(file, state.life))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let file = state.find_name(from)?;
        state.change_name(NameChange::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.find_name(path)?;
        state.change_name(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let state = &mut *state;
        let (synced, rest) = std::mem::take(&mut state.name_changes)
            .into_iter()
            .partition(|change| change.is_in(path));
        state.name_changes = rest;
        let synced: Vec<NameChange> = synced;
        for change in synced {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let existing = self.state().find(path);
        match existing {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create(path)?;
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock {
            state: Arc::clone(&self.state),
            path: path.to_owned(),
            life: state.life,
        }))
    }
}

/// A lock, until it is dropped or the power goes.
#[derive(Debug)]
struct SimLock {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        // A poisoned lock means that a test is failing already.
        if let Ok(mut state) = self.state.lock()
            && state.life == self.life
        {
            state.locks.remove(&self.path);
        }
    }
}

/// An open file.
#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    file: FileId,
    life: u64,
}

impl SimFile {
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state.lock().expect("no holder of this lock panics");
        if state.life != self.life {
            return Err(io::Error::other(
                "the file was opened by a process that is gone",
            ));
        }
        state.powered()?;
        Ok(state)
    }
}

impl State {
    fn contents(&mut self, file: FileId) -> &mut Contents {
        self.files.get_mut(&file).expect("an open file is kept")
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.contents(self.file).len)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.alive()?;
        let contents = state.contents(self.file);
        if offset + buffer.len() as u64 > contents.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        contents.read(offset, buffer);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.alive()?;
        state.operate()?;
        state.check_room(self.file, offset + bytes.len() as u64)?;
        state.contents(self.file).write(offset, bytes);
        state.counts.writes += 1;
        state.counts.written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.alive()?;
        state.operate()?;
        let room = state.check_room(self.file, bytes);
        let left = match (&room, state.capacity) {
            // As some file systems do, it takes what there is before it says no.
            (Err(_), Some(capacity)) => capacity.saturating_sub(state.used()),
            _ => u64::MAX,
        };
        let contents = state.contents(self.file);
        contents.len = bytes.min(contents.len.saturating_add(left));
        room
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        state.operate()?;
        if std::mem::take(&mut state.fail_next_sync) {
            // As the page cache does: what could not be written is not tried again.
            state.contents(self.file).unsynced.clear();
            state.counts.failed_syncs += 1;
            return Err(io::Error::other("the disk lost the write"));
        }
        state.contents(self.file).sync();
        state.counts.syncs += 1;
        Ok(())
    }
}
