//! The operating system's file system.

use std::any::Any;
use std::io;
use std::path::Path;

use super::{Disk, DiskFile};

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsDisk;

#[allow(unused_variables, clippy::todo, reason = "skeleton")]
impl Disk for FsDisk {
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
