//! A lock that all processes of this machine see.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// How often the file may be removed by its last holder just as it is opened.
const ATTEMPTS: usize = 100;

/// The lock on a file, until it is dropped or the process ends, however it ends; the kernel
/// keeps it, so a file that a killed process has left means nothing. The file is made for the
/// purpose and goes with the lock.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    /// Holds the lock.
    _file: OwnedFd,
}

impl FileLock {
    /// Locks the file of that name in the directory for temporary files, which all users
    /// share; none if someone else has, in this process or another one.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn try_take(name: &str) -> io::Result<Option<FileLock>> {
        let path = std::env::temp_dir().join(name);
        let file = lock(&path)?;
        Ok(file.map(|file| FileLock { path, _file: file }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The lock is still held here, and who waits for it looks whether its file is still
        // there. It may be another user's, who left it: then it stays.
        let _ = fs::remove_file(&self.path);
    }
}

/// Locks the file at `path`, creating it if need be; none if someone else has.
fn lock(path: &Path) -> io::Result<Option<OwnedFd>> {
    // Other users may lock the file too, for which reading it is enough.
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    for _ in 0..ATTEMPTS {
        // Without `CREATE` first: some systems refuse that for another user's file in a
        // directory that everyone may write to.
        let file = match rustix::fs::open(path, OFlags::RDONLY | flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => {
                let create = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | flags;
                match rustix::fs::open(path, create, mode) {
                    Ok(file) => {
                        rustix::fs::fchmod(&file, mode)?;
                        file
                    }
                    Err(Errno::EXIST) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            // No file of ours: whatever it is, it stays as it is.
            Err(Errno::ACCESS | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Its last holder may have removed it after we opened it: then someone else can lock
        // a new file of the same name.
        let ours = rustix::fs::fstat(&file)?;
        match rustix::fs::stat(path) {
            Ok(there) if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino) => {
                return Ok(Some(file));
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn name(test: &str) -> String {
        format!("telegraft-{test}-{}.lock", std::process::id())
    }

    #[test]
    fn one_at_a_time_holds_it_though_the_file_comes_and_goes() {
        let name = name("contended");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut taken = 0;
                    while taken < 100 {
                        let lock = FileLock::try_take(&name).expect("a writable directory");
                        if lock.is_some() {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            taken += 1;
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert!(!std::env::temp_dir().join(name).exists());
    }

    #[test]
    fn a_file_that_was_left_behind_is_no_obstacle() {
        let name = name("left");
        let path = std::env::temp_dir().join(&name);
        fs::write(&path, "left behind").expect("a writable directory");
        let lock = FileLock::try_take(&name).expect("a writable directory");
        assert!(lock.is_some(), "nobody holds it");
        assert!(
            FileLock::try_take(&name)
                .expect("a writable directory")
                .is_none()
        );
        drop(lock);
        assert!(!path.exists());
    }
}
