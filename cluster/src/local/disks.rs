//! Disks of a size that is set, as file systems in memory. They are gone when the cluster is
//! dropped, with all that is in them.
//!
//! A launcher that is killed leaves its mounts behind. They carry its process id, and the next
//! one that makes disks unmounts those of launchers that are gone.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::LocalError;

/// What a replica's data directory has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskLimit {
    /// In bytes; the system rounds it up to whole pages. A replica needs two log segments and a
    /// megabyte.
    pub bytes: u64,
}

/// The file that takes the rest of a disk.
const FILLER: &str = "filler";
/// How often it is tried to take the rest of a disk that its replica takes from, too.
const FILL_ATTEMPTS: usize = 100;
/// What our mounts are named, before the launcher's process id.
const SOURCE: &str = "telegraft-disk-";

/// Whether this process may make disks of a size.
///
/// # Errors
/// What is missing.
pub fn can_mount() -> Result<(), String> {
    let name = format!("telegraft-can-mount-{}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    let mounted = SmallDisk::mount(&dir, DiskLimit { bytes: 1 << 20 });
    let can = mounted.map(drop).map_err(|error| error.to_string());
    // Another thread may ask the same, and have mounted on it, or removed it.
    let _ = fs::remove_dir(&dir);
    can
}

/// A file system in memory; unmounted when this is dropped.
#[derive(Debug)]
pub(super) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one at `path`, over what is there.
    pub(super) fn mount(path: &Path, limit: DiskLimit) -> Result<Self, LocalError> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            LocalError::Failed(format!("cannot {what} {}: {error}", path.display()))
        };
        fs::create_dir_all(path).map_err(|error| failed("make the directory", &error))?;
        let source = format!("{SOURCE}{}", std::process::id());
        let size = CString::new(format!("size={}", limit.bytes)).expect("no zero in it");
        mount(source, path, "tmpfs", MountFlags::empty(), &*size)
            .map_err(|error| failed("mount a tmpfs (which needs the right to) on", &error))?;
        Ok(SmallDisk {
            path: path.to_owned(),
        })
    }

    /// Takes all the room that is left.
    pub(super) fn fill(&self) -> Result<(), LocalError> {
        let filled = || -> io::Result<()> {
            let file = File::options()
                .create(true)
                .append(true)
                .open(self.filler())?;
            let mut last = Ok(());
            for _ in 0..FILL_ATTEMPTS {
                let free = statvfs(&self.path)?;
                let bytes = free.f_bavail * free.f_frsize;
                if bytes == 0 {
                    return Ok(());
                }
                let length = file.metadata()?.len();
                last = fallocate(&file, FallocateFlags::empty(), length, bytes);
                match last {
                    // The replica was faster: what is left now is less.
                    Ok(()) | Err(Errno::NOSPC | Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(last?)
        };
        filled().map_err(|error| self.failed("fill", &error))
    }

    /// Gives the room back.
    pub(super) fn free(&self) -> Result<(), LocalError> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("free", &error))
            }
            _ => Ok(()),
        }
    }

    fn filler(&self) -> PathBuf {
        self.path.join(FILLER)
    }

    fn failed(&self, what: &str, error: &io::Error) -> LocalError {
        LocalError::Failed(format!(
            "cannot {what} the disk at {}: {error}",
            self.path.display()
        ))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached: whatever looks at it does not keep it. There is nobody to tell of an error.
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}

/// Unmounts what launchers that are gone have left.
pub(super) fn remove_stale() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for (source, path) in mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((fields.next()?, fields.next()?))
    }) {
        let launcher = source.strip_prefix(SOURCE).and_then(|pid| pid.parse().ok());
        if launcher.is_some_and(super::process::is_gone) {
            // Spaces and the like in a path are written as octal numbers: such a one stays.
            let _ = unmount(path, UnmountFlags::DETACH);
        }
    }
}
