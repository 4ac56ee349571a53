//! A result directory.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::environment::Environment;
use super::error::{Problem, ResultsError};
use super::hlog::{Hlog, HlogInterval, HlogRest, HlogWriter};
use super::rows::{ClusterRow, EventRow, IntervalRow, RunRow, StageRow};
use super::stream::{self, Scan};
use super::table::{self, Row, Rows};
use super::{SCHEMA_VERSION, utc};
use crate::find_max::ProbeRow;

/// Directories of one suite that can begin in one second.
const MAX_SAME_SECOND: u32 = 100;

/// A result directory: what one run of a suite has left.
///
/// What is written is on the disk when the call returns, so that a crash costs at most the run
/// that was open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultDir {
    path: PathBuf,
}

impl ResultDir {
    /// Makes a directory `<UTC yyyymmddThhmmssZ>-<suite>` in `root`, with a number behind it
    /// when there is one already.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(
        root: &Path,
        suite_name: &str,
        started_at: SystemTime,
    ) -> Result<Self, ResultsError> {
        let suite: String = suite_name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let name = format!("{}-{suite}", utc::compact(started_at));
        fs::create_dir_all(root).map_err(ResultsError::io("make", root))?;
        for attempt in 1..=MAX_SAME_SECOND {
            let path = root.join(match attempt {
                1 => name.clone(),
                n => format!("{name}-{n}"),
            });
            match fs::create_dir(&path) {
                Ok(()) => return Self::prepare(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(ResultsError::io("make", &path)(error)),
            }
        }
        let exists = io::Error::from(ErrorKind::AlreadyExists);
        Err(ResultsError::io("make", &root.join(name))(exists))
    }

    /// Makes the directory `path`, which must be absent or empty: results of two runs are
    /// never mixed.
    ///
    /// # Errors
    /// When it cannot be made or has something in it.
    pub fn create_at(path: &Path) -> Result<Self, ResultsError> {
        fs::create_dir_all(path).map_err(ResultsError::io("make", path))?;
        let mut entries = fs::read_dir(path).map_err(ResultsError::io("read", path))?;
        if entries.next().is_some() {
            let full = io::Error::from(ErrorKind::DirectoryNotEmpty);
            return Err(ResultsError::io("write results into", path)(full));
        }
        Self::prepare(path.to_owned())
    }

    fn prepare(path: PathBuf) -> Result<Self, ResultsError> {
        let latency = path.join("latency");
        fs::create_dir(&latency).map_err(ResultsError::io("make", &latency))?;
        sync_directory(&path)?;
        if let Some(parent) = path.parent().filter(|parent| parent.is_dir()) {
            sync_directory(parent)?;
        }
        Ok(ResultDir { path })
    }

    /// Opens one that is there.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(path: &Path) -> Result<Self, ResultsError> {
        fs::read_dir(path).map_err(ResultsError::io("read", path))?;
        Ok(ResultDir {
            path: path.to_owned(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `suite.toml`, the resolved configuration.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_suite(&self, toml: &str) -> Result<(), ResultsError> {
        self.write("suite.toml", toml.as_bytes())
    }

    /// Writes `environment.json`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_environment(&self, environment: &Environment) -> Result<(), ResultsError> {
        let mut text =
            serde_json::to_string_pretty(environment).expect("numbers and text are always JSON");
        text.push('\n');
        self.write("environment.json", text.as_bytes())
    }

    /// Appends the rows of one run, one for each operation and `all`, to `runs.csv`: all of
    /// them or, after a crash, whole ones only.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append_run(&self, rows: &[RunRow]) -> Result<(), ResultsError> {
        table::append(&self.path, rows)
    }

    /// Appends the rows of one run to `intervals.csv`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append_intervals(&self, rows: &[IntervalRow]) -> Result<(), ResultsError> {
        table::append(&self.path, rows)
    }

    /// Appends the rows of one run to `cluster.csv`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append_cluster(&self, rows: &[ClusterRow]) -> Result<(), ResultsError> {
        table::append(&self.path, rows)
    }

    /// Appends the rows of one run to `stages.csv`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append_stages(&self, rows: &[StageRow]) -> Result<(), ResultsError> {
        table::append(&self.path, rows)
    }

    /// Appends the rows of one run to `events.csv`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append_events(&self, rows: &[EventRow]) -> Result<(), ResultsError> {
        table::append(&self.path, rows)
    }

    /// Appends the row of one probe to `find-max.csv`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append_probe(&self, row: &ProbeRow) -> Result<(), ResultsError> {
        table::append(&self.path, std::slice::from_ref(row))
    }

    /// Leaves the rows of some runs out of all CSV files, so that these runs can be made again.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn retain_runs(&self, keep: impl Fn(&str) -> bool) -> Result<(), ResultsError> {
        table::retain::<RunRow>(self, &keep)?;
        table::retain::<IntervalRow>(self, &keep)?;
        table::retain::<ClusterRow>(self, &keep)?;
        table::retain::<StageRow>(self, &keep)?;
        table::retain::<EventRow>(self, &keep)
    }

    /// Begins `latency/<run_id>.total.hlog`: one histogram per operation for the whole run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create_total_hlog(
        &self,
        run_id: &str,
        started_at: SystemTime,
    ) -> Result<HlogWriter, ResultsError> {
        HlogWriter::create(&self.hlog_path(run_id, ".total")?, started_at)
    }

    /// Begins `latency/<run_id>.hlog`: one histogram per operation and second.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create_interval_hlog(
        &self,
        run_id: &str,
        started_at: SystemTime,
    ) -> Result<HlogWriter, ResultsError> {
        HlogWriter::create(&self.hlog_path(run_id, "")?, started_at)
    }

    /// Writes a file of another kind (a report, a table) into the directory, as a whole: a
    /// reader sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ResultsError> {
        let path = self.path.join(name);
        let new = self.path.join(format!("{name}.new"));
        let put = || {
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        put().map_err(ResultsError::io("write", &path))?;
        sync_directory(&self.path)
    }

    /// Reads `suite.toml`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_suite(&self) -> Result<String, ResultsError> {
        self.read("suite.toml")
    }

    /// Reads `environment.json`.
    ///
    /// # Errors
    /// When it cannot be read, is of a later version or not what it should be.
    pub fn read_environment(&self) -> Result<Environment, ResultsError> {
        const FILE: &str = "environment.json";
        let text = self.read(FILE)?;
        let wrong = |error: &serde_json::Error| {
            ResultsError::unreadable(FILE, Some(error.line() as u64), error.to_string())
        };
        let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        let version = json.get("schema_version").and_then(|v| v.as_u64());
        if let Some(version) = version.filter(|v| *v > u64::from(SCHEMA_VERSION)) {
            return Err(ResultsError::Newer {
                file: FILE.to_owned(),
                line: 1,
                found: version.to_string(),
            });
        }
        serde_json::from_str(&text).map_err(|error| wrong(&error))
    }

    /// Reads `runs.csv`.
    ///
    /// # Errors
    /// When it cannot be read at all; bad rows are told beside the good ones.
    pub fn read_runs(&self) -> Result<Rows<RunRow>, ResultsError> {
        table::read(&self.path)
    }

    /// Reads `intervals.csv`.
    ///
    /// # Errors
    /// When it cannot be read at all; bad rows are told beside the good ones.
    pub fn read_intervals(&self) -> Result<Rows<IntervalRow>, ResultsError> {
        table::read(&self.path)
    }

    /// Reads `cluster.csv`.
    ///
    /// # Errors
    /// When it cannot be read at all; bad rows are told beside the good ones.
    pub fn read_cluster(&self) -> Result<Rows<ClusterRow>, ResultsError> {
        table::read(&self.path)
    }

    /// Reads `stages.csv`.
    ///
    /// # Errors
    /// When it cannot be read at all, as where a version wrote the directory that knew no such
    /// file; bad rows are told beside the good ones.
    pub fn read_stages(&self) -> Result<Rows<StageRow>, ResultsError> {
        table::read(&self.path)
    }

    /// Reads `events.csv`.
    ///
    /// # Errors
    /// When it cannot be read at all, as where a version wrote the directory that knew no such
    /// file; bad rows are told beside the good ones.
    pub fn read_events(&self) -> Result<Rows<EventRow>, ResultsError> {
        table::read(&self.path)
    }

    /// Reads `find-max.csv`.
    ///
    /// # Errors
    /// When it cannot be read at all; bad rows are told beside the good ones.
    pub fn read_probes(&self) -> Result<Rows<ProbeRow>, ResultsError> {
        table::read(&self.path)
    }

    /// Reads a CSV file in bounded memory and gives every good row to `each`, with the line
    /// that it begins at; what was left out is returned, the first of many. Unlike the readers
    /// above, rows of a later version are left out one by one.
    ///
    /// # Errors
    /// When the file cannot be read, or its columns are others; then `each` may have had rows.
    pub fn for_each<T: Row>(&self, each: impl FnMut(u64, T)) -> Result<Vec<Problem>, ResultsError> {
        stream::for_each(&self.path, each)
    }

    /// As [`for_each`](Self::for_each), without copying: for files of millions of rows.
    ///
    /// # Errors
    /// As those of [`for_each`](Self::for_each).
    pub fn for_each_ref<T: Scan>(
        &self,
        each: impl FnMut(u64, T::Ref<'_>),
    ) -> Result<Vec<Problem>, ResultsError> {
        stream::for_each_ref::<T>(&self.path, each)
    }

    /// Reads `latency/<run_id>.total.hlog`.
    ///
    /// # Errors
    /// When it cannot be read at all; bad lines are told beside the good ones.
    pub fn read_total_hlog(&self, run_id: &str) -> Result<Hlog, ResultsError> {
        let path = self.hlog_path(run_id, ".total")?;
        Hlog::read_named(&path, &hlog_name(&path))
    }

    /// The same, histogram by histogram, as [`Hlog::for_each`].
    ///
    /// # Errors
    /// When it cannot be read at all; then `each` may have had some.
    pub fn for_each_total_hlog(
        &self,
        run_id: &str,
        each: impl FnMut(HlogInterval),
    ) -> Result<HlogRest, ResultsError> {
        let path = self.hlog_path(run_id, ".total")?;
        Hlog::for_each_named(&path, &hlog_name(&path), each)
    }

    /// Reads `latency/<run_id>.hlog`.
    ///
    /// # Errors
    /// When it cannot be read at all; bad lines are told beside the good ones.
    pub fn read_interval_hlog(&self, run_id: &str) -> Result<Hlog, ResultsError> {
        let path = self.hlog_path(run_id, "")?;
        Hlog::read_named(&path, &hlog_name(&path))
    }

    fn hlog_path(&self, run_id: &str, kind: &str) -> Result<PathBuf, ResultsError> {
        if !table::is_plain_name(run_id) {
            return Err(ResultsError::Name(run_id.to_owned()));
        }
        Ok(self
            .path
            .join("latency")
            .join(format!("{run_id}{kind}.hlog")))
    }

    fn read(&self, name: &str) -> Result<String, ResultsError> {
        let path = self.path.join(name);
        fs::read_to_string(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ResultsError::unreadable(name, None, "there is no such file"),
            ErrorKind::InvalidData => ResultsError::unreadable(name, None, "it is not UTF-8 text"),
            _ => ResultsError::io("read", &path)(error),
        })
    }
}

/// What a file of histograms is called in its result directory.
fn hlog_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("latency/{name}")
}

pub(super) fn sync_directory(path: &Path) -> Result<(), ResultsError> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(ResultsError::io("sync", path))
}
