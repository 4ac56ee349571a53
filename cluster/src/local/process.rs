//! One replica's process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A log file that is longer than this, in bytes, is put aside at the next start: a node says
/// little, and what it says last is what one wants to read.
const MAX_LOG_BYTES: u64 = 8 << 20;
/// How much of the end of its log a process is quoted with, in bytes and in lines.
const LAST_WORDS: (u64, usize) = (4096, 8);
/// How often a process is looked at while its end is waited for.
pub(super) const POLL: Duration = Duration::from_millis(5);
/// How long a killed process may take to be gone. Only one that hangs in the kernel takes
/// longer, and nothing can be done about that.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether no process has this id any more.
pub(super) fn is_gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

/// A child that ends with its parent: it watches its standard input, a pipe whose other end only
/// the parent holds (the standard library closes it in other children), and that the kernel
/// closes however the parent ends. (One that is paused then is in a process group that nobody
/// looks after any more: the kernel hangs it up.) Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Process {
    child: Mutex<Child>,
    pid: u32,
    /// Never written to.
    _lifeline: Option<ChildStdin>,
    log: PathBuf,
    /// Where in the log this process began to speak.
    log_start: u64,
}

impl Process {
    /// Starts `command` in a process group of its own (a Ctrl-C in the terminal reaches the
    /// launcher only, which stops the replicas); what it says goes to the end of `log`.
    pub(super) fn spawn(mut command: Command, log: &Path) -> io::Result<Process> {
        if fs::metadata(log).is_ok_and(|log| log.len() > MAX_LOG_BYTES) {
            fs::rename(log, log.with_extension("log.old"))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        let log_start = file.metadata()?.len();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(file)
            .process_group(0)
            .spawn()?;
        Ok(Process {
            pid: child.id(),
            _lifeline: child.stdin.take(),
            child: Mutex::new(child),
            log: log.to_owned(),
            log_start,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub(super) fn exited(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // An error would mean that it is no child of ours, which it is.
        child.try_wait().ok().flatten()
    }

    /// Sends `signal`, if the process is still there.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        // The lock keeps it from being reaped, and its number from being another's, meanwhile.
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(child.try_wait(), Ok(None)) {
            let pid = i32::try_from(self.pid)
                .ok()
                .and_then(Pid::from_raw)
                .expect("the kernel's process numbers are positive");
            kill_process(pid, signal)?;
        }
        Ok(())
    }

    /// Waits until it has ended, at most for `timeout`.
    pub(super) async fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            let exited = self.exited();
            if exited.is_some() || Instant::now() >= deadline {
                return exited;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// kill -9, and waits until it is gone.
    pub(super) async fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)?;
        match self.wait(KILL_TIMEOUT).await {
            Some(_) => Ok(()),
            None => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the process hangs in the kernel and does not die",
            )),
        }
    }

    /// The last lines that it has written to its log.
    pub(super) fn last_words(&self) -> String {
        let (bytes, lines) = LAST_WORDS;
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.log)?;
            let from = self
                .log_start
                .max(file.metadata()?.len().saturating_sub(bytes));
            file.seek(SeekFrom::Start(from))?;
            let mut text = Vec::new();
            file.take(bytes).read_to_end(&mut text)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        let text = match read() {
            Ok(text) => text,
            Err(error) => format!("cannot read {}: {error}", self.log.display()),
        };
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exited().is_some() || self.signal(Signal::KILL).is_err() {
            return;
        }
        let deadline = Instant::now() + KILL_TIMEOUT;
        while self.exited().is_none() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
    }
}
