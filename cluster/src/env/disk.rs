//! Storage as the log sees it, so that a simulator can be the disk.
//!
//! All calls block. They are made by the log writer's own thread, by recovery, and by readers
//! on threads that may block.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::path::Path;

/// A file system, or something that behaves like one.
pub trait Disk: Debug + Send + Sync {
    /// Creates a directory and its parents, where missing; what it created is durable.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names of the files in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Creates a file; an error when it exists.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file, replacing the target. Durable after [`Disk::sync_dir`] of the parent.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_dir`] of the parent.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes an exclusive lock on a file, creating it where missing, until the answer is
    /// dropped or the process ends; [`io::ErrorKind::WouldBlock`] when another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `buffer` from `offset`; [`io::ErrorKind::UnexpectedEof`] past the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`. Not durable before [`DiskFile::sync_data`].
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes the file `bytes` long, with real blocks (so that a later write inside it cannot
    /// run out of space) that read as zeros. Not durable before [`DiskFile::sync_data`].
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Makes what was written durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
}
