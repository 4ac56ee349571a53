//! What the numbers were measured on.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FallocateFlags, fallocate, fdatasync, statfs};
use serde::{Deserialize, Serialize};

use super::error::ResultsError;
use super::{SCHEMA_VERSION, utc};

/// What one fdatasync is measured with, in bytes: a block of every usual file system.
const BLOCK_BYTES: usize = 4096;

/// Syncs that are timed: enough for a 99th percentile of two samples above it.
const MAX_SAMPLES: u64 = 200;

/// On a slow disk, no longer than this.
const MAX_SAMPLING: Duration = Duration::from_secs(1);

/// What this program was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The program's version.
    pub version: String,
    /// The git revision, if it is known.
    pub git_revision: Option<String>,
    /// The compiler, as `rustc 1.93.0`.
    pub rustc: String,
    /// `release` or `debug`.
    pub profile: String,
}

/// Percentiles of the time that one fdatasync takes, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncTimes {
    /// How many were timed.
    pub samples: u64,
    /// Median.
    pub p50_us: f64,
    /// 90th percentile.
    pub p90_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// `environment.json`: what the numbers were measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// The host's name.
    pub host: String,
    /// The processor's name.
    pub cpu: String,
    /// Processors that this process may use.
    pub cpus: usize,
    /// Main memory, in bytes.
    pub memory_bytes: u64,
    /// The kernel's name and release.
    pub kernel: String,
    /// The type of the file system that the data directories are on, as `ext4`.
    pub file_system: String,
    /// fdatasync of 4 KiB into a preallocated file there, with nothing else going on.
    pub fdatasync: SyncTimes,
    /// This program's version.
    pub version: String,
    /// The git revision that it was built from, if that is known.
    pub git_revision: Option<String>,
    /// The compiler that built it.
    pub rustc: String,
    /// `release` or `debug`.
    pub profile: String,
}

impl Environment {
    /// Looks at this machine and at the file system of `directory`, which must be there. Takes
    /// up to a second for the syncs, with nothing else going on, it is hoped.
    ///
    /// # Errors
    /// When `directory` cannot be written to. What else cannot be found out reads `unknown`.
    pub fn probe(directory: &Path, build: &BuildInfo) -> Result<Environment, ResultsError> {
        let started_at = utc::rfc3339(SystemTime::now());
        let file_system = statfs(directory)
            .map(|found| file_system_name(found.f_type))
            .map_err(|error| ResultsError::io("look at", directory)(error.into()))?;
        let kernel = |name| first_line(&format!("/proc/sys/kernel/{name}"));
        Ok(Environment {
            schema_version: SCHEMA_VERSION,
            started_at,
            host: kernel("hostname").unwrap_or_else(unknown),
            cpu: cpu_name().unwrap_or_else(unknown),
            cpus: thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory_bytes().unwrap_or(0),
            kernel: match (kernel("ostype"), kernel("osrelease")) {
                (Some(name), Some(release)) => format!("{name} {release}"),
                _ => unknown(),
            },
            file_system,
            fdatasync: SyncTimes::measure(directory)?,
            version: build.version.clone(),
            git_revision: build.git_revision.clone(),
            rustc: build.rustc.clone(),
            profile: build.profile.clone(),
        })
    }
}

impl SyncTimes {
    /// Times writing and syncing 4 KiB, one block after the other, in a preallocated file.
    fn measure(directory: &Path) -> Result<SyncTimes, ResultsError> {
        let probe = ProbeFile::create(directory)?;
        let failed = || ResultsError::io("measure fdatasync in", directory);
        probe.allocate().map_err(failed())?;

        let began = Instant::now();
        let mut times = Vec::new();
        for sample in 0..MAX_SAMPLES {
            let one = Instant::now();
            // No block of zeros, which a disk may not store.
            let block = [u8::try_from(sample % 255).unwrap_or(0) + 1; BLOCK_BYTES];
            probe
                .file
                .write_all_at(&block, sample * BLOCK_BYTES as u64)
                .and_then(|()| fdatasync(&probe.file).map_err(Into::into))
                .map_err(failed())?;
            times.push(one.elapsed());
            if began.elapsed() >= MAX_SAMPLING {
                break;
            }
        }
        Ok(SyncTimes::of(&mut times))
    }

    /// The percentiles of at least one time, by nearest rank.
    fn of(times: &mut [Duration]) -> SyncTimes {
        times.sort_unstable();
        let at = |per_cent: usize| {
            let rank = (times.len() * per_cent).div_ceil(100).max(1);
            // To a tenth of a microsecond: a clock tells no more.
            (times[rank - 1].as_secs_f64() * 1e7).round() / 10.0
        };
        SyncTimes {
            samples: times.len() as u64,
            p50_us: at(50),
            p90_us: at(90),
            p99_us: at(99),
            max_us: at(100),
        }
    }
}

/// A file that is gone when the measurement is over, however it ends.
struct ProbeFile {
    path: PathBuf,
    file: File,
}

impl ProbeFile {
    fn create(directory: &Path) -> Result<Self, ResultsError> {
        let path = directory.join(format!(".fdatasync-probe-{}", process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(ResultsError::io("make", &path))?;
        Ok(ProbeFile { path, file })
    }

    fn allocate(&self) -> std::io::Result<()> {
        let bytes = MAX_SAMPLES * BLOCK_BYTES as u64;
        if fallocate(&self.file, FallocateFlags::empty(), 0, bytes).is_err() {
            // Not every file system can; then the zeros are written.
            let zeros = vec![0; BLOCK_BYTES * usize::try_from(MAX_SAMPLES).unwrap_or(0)];
            self.file.write_all_at(&zeros, 0)?;
        }
        self.file.sync_all()
    }
}

impl Drop for ProbeFile {
    fn drop(&mut self) {
        // Left behind it is small and harmless.
        let _ = fs::remove_file(&self.path);
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}

/// The value of the first line `key : value` of a file in `/proc`.
fn proc_value(path: &str, keys: &[&str]) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| keys.contains(&key.trim()))
        .map(|(_, value)| value.trim().to_owned())
}

fn cpu_name() -> Option<String> {
    // ARM and RISC-V kernels name the processor elsewhere, or not at all.
    proc_value(
        "/proc/cpuinfo",
        &["model name", "Model", "Hardware", "uarch"],
    )
}

fn memory_bytes() -> Option<u64> {
    let value = proc_value("/proc/meminfo", &["MemTotal"])?;
    let kib: u64 = value.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// File systems by what `statfs` calls them (statfs(2)).
const FILE_SYSTEMS: [(u32, &str); 14] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0xca45_1a4e, "bcachefs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0x6969, "nfs"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
];

fn file_system_name(kind: impl TryInto<i64>) -> String {
    // Sign extension differs between machines; all the numbers have 32 bits.
    let kind = kind.try_into().unwrap_or_default() & 0xffff_ffff;
    FILE_SYSTEMS
        .iter()
        .find(|(magic, _)| i64::from(*magic) == kind)
        .map_or_else(
            || format!("unknown ({kind:#x})"),
            |(_, name)| (*name).to_owned(),
        )
}
