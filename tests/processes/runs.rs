//! Runs as a user starts them, and what they leave in a result directory.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;
use telegraft_loadgen::results::{LatencyUs, ResultDir, RunRow};

use crate::harness::{BINARY, until};
use crate::launched::kill;

/// How a command ended, and what it told.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// # Panics
    /// It ended in another way.
    pub(crate) fn with(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A command that runs; killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    streams: [Option<JoinHandle<String>>; 2],
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().map(read);
        let stderr = child.stderr.take().map(read);
        Running {
            child,
            streams: [stdout, stderr],
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let ended = until("the command ends", async || {
            self.child.try_wait().expect("our child")
        });
        let status: ExitStatus = ended.await;
        let mut told = self.streams.iter_mut().map(|stream| {
            let stream = stream.take().expect("it was asked for");
            stream.join().expect("reading does not fail")
        });
        Ended {
            code: status.code(),
            stdout: told.next().unwrap_or_default(),
            stderr: told.next().unwrap_or_default(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn read(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8(bytes).expect("it tells text")
    })
}

/// `telegraft` with arguments.
pub(crate) fn telegraft(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments);
    command
}

/// Runs `telegraft` to its end.
pub(crate) async fn run(arguments: &[&str]) -> Ended {
    Running::start(&mut telegraft(arguments)).ended().await
}

/// Writes a file, and gives its path as an argument.
pub(crate) fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, text).expect("the file is written");
    path.display().to_string()
}

/// A path in a directory as an argument.
pub(crate) fn place(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

/// What a result directory holds.
pub(crate) struct Results {
    pub(crate) dir: ResultDir,
    pub(crate) rows: Vec<RunRow>,
}

impl Results {
    pub(crate) fn open(path: impl Into<PathBuf>) -> Results {
        let dir = ResultDir::open(&path.into()).expect("the results are there");
        let read = dir.read_runs().expect("runs.csv is there");
        assert_eq!(read.problems, []);
        let rows = read.rows.into_iter().map(|(_, row)| row).collect();
        Results { dir, rows }
    }

    /// Ids of the runs, in order.
    pub(crate) fn runs(&self) -> Vec<&str> {
        let all = self.rows.iter().filter(|row| row.op == "all");
        all.map(|row| row.run_id.as_str()).collect()
    }

    pub(crate) fn row(&self, run: &str, op: &str) -> &RunRow {
        let mut found = self.rows.iter().filter(|r| r.run_id == run && r.op == op);
        match (found.next(), found.next()) {
            (Some(row), None) => row,
            _ => panic!("not one row of {run} and {op}: {:?}", self.rows),
        }
    }

    /// The row of all operations of the only run.
    pub(crate) fn only(&self) -> &RunRow {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        self.row(runs[0], "all")
    }

    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).expect("the file is there")
    }

    /// Latencies and seconds add up to the rows of a run.
    pub(crate) fn check_sums(&self, run: &str) {
        let latencies = self.dir.read_total_hlog(run).expect("latencies are there");
        let seconds = self.dir.read_interval_hlog(run).expect("and by the second");
        let intervals = self.dir.read_intervals().expect("intervals.csv is there");
        assert_eq!(latencies.problems.len() + intervals.problems.len(), 0);
        let ops: Vec<&RunRow> = self
            .rows
            .iter()
            .filter(|row| row.run_id == run && row.op != "all")
            .collect();
        for row in &ops {
            let of = |hlog: &telegraft_loadgen::results::Hlog| {
                hlog.merged(&row.op).map_or(0, |histogram| histogram.len())
            };
            assert_eq!((of(&latencies), of(&seconds)), (row.ok, row.ok), "{row:?}");
            let own = intervals.rows.iter().map(|(_, second)| second);
            let own = own.filter(|second| second.run_id == run && second.op == row.op);
            let sum = own.fold((0, 0, 0, 0), |sum, second| {
                (
                    sum.0 + second.ok,
                    sum.1 + second.failed,
                    sum.2 + second.unknown,
                    sum.3 + second.unfinished,
                )
            });
            let want = (row.ok, row.failed, row.unknown, row.unfinished);
            assert_eq!(sum, want, "{row:?}");
        }
        let all = self.row(run, "all");
        assert_eq!(ops.iter().map(|row| due(row)).sum::<u64>(), due(all));
    }
}

/// Operations that were due.
pub(crate) fn due(row: &RunRow) -> u64 {
    row.ok + row.failed + row.unknown + row.unfinished
}

/// A percentile that is known, in microseconds.
pub(crate) fn known(latency: LatencyUs) -> u64 {
    match latency {
        LatencyUs::Known(us) => us,
        other => panic!("not known: {other:?}"),
    }
}

/// A run is valid, but for what a busy machine alone may cause.
pub(crate) fn assert_sound(row: &RunRow) {
    let busy = [
        "valid",
        "invalid:generator-saturated",
        "invalid:schedule-missed",
        "invalid:not-steady",
    ];
    assert!(busy.contains(&row.verdict.as_str()), "{row:?}");
    assert_eq!(row.audit, "ok", "{row:?}");
}
