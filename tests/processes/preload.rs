//! The program with a small library of the test's own before the system's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::BINARY;

/// The environment variable that gives the library the file by which the test steers it. Each
/// replica has a file of its own.
const VARIABLE: &str = "TELEGRAFT_TEST_TRIGGER";

/// Fails one fdatasync whenever the file is there, and removes it.
pub(crate) const FAILING_FDATASYNC: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd) {
    const char *trigger = getenv("TELEGRAFT_TEST_TRIGGER");
    if (trigger && unlink(trigger) == 0) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_fdatasync, fd);
}
"#;

/// Hangs in fdatasync for as long as the file is there. It says that it hangs by making another
/// file beside it.
pub(crate) const HANGING_FDATASYNC: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd) {
    const char *trigger = getenv("TELEGRAFT_TEST_TRIGGER");
    while (trigger && access(trigger, F_OK) == 0) {
        char hangs[4096];
        snprintf(hangs, sizeof hangs, "%s.hangs", trigger);
        int made = open(hangs, O_CREAT | O_CLOEXEC, 0600);
        if (made >= 0)
            close(made);
        usleep(2000);
    }
    return syscall(SYS_fdatasync, fd);
}
"#;

/// The program with a library before it.
pub(crate) struct Preloaded {
    /// What to start.
    pub(crate) binary: PathBuf,
    triggers: PathBuf,
}

impl Preloaded {
    /// Compiles the library into `dir`; none without a C compiler, or where programs in that
    /// directory may not be run.
    pub(crate) fn compile(source: &str, dir: &Path) -> Option<Preloaded> {
        let [code, library, wrapper] =
            ["library.c", "library.so", "telegraft"].map(|name| dir.join(name));
        fs::write(&code, format!("#define _GNU_SOURCE\n{source}")).expect("it is written");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &code])
            .output();
        if !compiled.is_ok_and(|output| output.status.success()) {
            println!("SKIPPED: there is no cc that makes a library to put before fdatasync");
            return None;
        }
        let triggers = dir.join("trigger");
        // A replica is started as `node --id N …`.
        let script = format!(
            "#!/bin/sh\nLD_PRELOAD='{}' {VARIABLE}='{}'-\"$3\" exec '{BINARY}' \"$@\"\n",
            library.display(),
            triggers.display()
        );
        fs::write(&wrapper, script).expect("it is written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&wrapper, executable).expect("it is ours");
        let runs = Command::new(&wrapper).arg("--version").output();
        if !runs.is_ok_and(|output| output.status.success()) {
            println!("SKIPPED: programs in {} may not be run", dir.display());
            return None;
        }
        Some(Preloaded {
            binary: wrapper,
            triggers,
        })
    }

    /// The file that steers the library in a replica.
    pub(crate) fn trigger(&self, id: u64) -> PathBuf {
        let mut name = self.triggers.clone().into_os_string();
        name.push(format!("-{id}"));
        name.into()
    }
}
