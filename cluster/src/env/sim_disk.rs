//! A disk in memory that forgets what was not synced.

use std::any::Any;
use std::io;
use std::path::Path;

use super::{Disk, DiskFile};

/// A disk in memory that forgets what was not synced.
#[derive(Debug, Default)]
pub struct SimDisk {}

#[allow(unused_variables, clippy::todo, reason = "skeleton")]
impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        SimDisk {}
    }
    /// The power goes: of what was written since the last sync any part may be there, torn
    /// and in any order, as `seed` decides; every open file is dead and every lock free.
    pub fn crash(&self, seed: u64) {
        todo!()
    }
    /// The next sync of a file fails, once; what it covered is lost at the next crash.
    pub fn fail_next_sync(&self) {
        todo!()
    }
}

#[allow(unused_variables, clippy::todo, reason = "skeleton")]
impl Disk for SimDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        todo!()
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        todo!()
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        todo!()
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        todo!()
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        todo!()
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        todo!()
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        todo!()
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        todo!()
    }
}
