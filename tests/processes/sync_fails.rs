//! A disk that fails one fdatasync and then says that all is well.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use telegraft_cluster::local::{LocalCluster, LocalOptions};
use tempfile::TempDir;

use crate::chat::{Chat, Load, post};
use crate::harness::{BINARY, Cluster, options, slot};

/// Put before the system's fdatasync, it fails once whenever the named file is there.
const FAILING_FDATASYNC: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd) {
    const char *trigger = getenv("TELEGRAFT_TEST_FAIL_SYNC");
    if (trigger && unlink(trigger) == 0) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_fdatasync, fd);
}
"#;

/// The program with that library before it, and the file that makes it fail; none without a C
/// compiler (or where programs in the directory for temporary files may not be run).
fn program(dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let [source, library, wrapper, trigger] =
        ["fail.c", "fail.so", "telegraft", "fail-now"].map(|name| dir.join(name));
    fs::write(&source, FAILING_FDATASYNC).expect("it is written");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .output();
    if !compiled.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let script = format!(
        "#!/bin/sh\nLD_PRELOAD='{}' TELEGRAFT_TEST_FAIL_SYNC='{}' exec '{BINARY}' \"$@\"\n",
        library.display(),
        trigger.display()
    );
    fs::write(&wrapper, script).expect("it is written");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&wrapper, executable).expect("it is ours");
    let runs = Command::new(&wrapper).arg("--version").output();
    runs.is_ok_and(|output| output.status.success())
        .then_some((wrapper, trigger))
}

/// A replica whose sync failed has stopped and told why; what it was asked then is not
/// acknowledged, with nobody else to ask. Started again, it has all that was, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_stops_the_process_and_is_never_tried_again() {
    let slot = slot().await;
    let programs = TempDir::new().expect("a directory");
    let Some((binary, trigger)) = program(programs.path()) else {
        println!("SKIPPED: there is no cc that makes a library to fail fdatasync with");
        return;
    };
    let dir = TempDir::new().expect("a directory for the cluster");
    let options = LocalOptions {
        binary,
        ..options(dir.path(), 1)
    };
    let local = LocalCluster::start(options).await;
    let local = local.expect("the cluster starts");
    let mut cluster = Cluster { local, dir, slot };
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 2).await;
    load.goes_on(50).await;
    let mut sent = load.stop().await;
    let mut session = chat.session().await;

    fs::write(&trigger, "").expect("it is written");
    let (key, text) = (session.next_key(), "into the gap");
    let url = format!("{}{}", chat.urls[0], chat.messages_path());
    let answer = post(&chat.http, &url, Some(&key), &chat.message(text)).await;
    assert!(
        !answer.as_ref().is_ok_and(|answer| answer.status < 300),
        "acknowledged without a sync: {answer:?}"
    );
    cluster.log_says(1, "cannot sync").await;
    cluster
        .log_says(1, "the log cannot be written any more")
        .await;
    assert!(!trigger.exists(), "a sync has failed");

    // It may have reached the disk or not: the retry finds out, and happens once.
    cluster.local.kill(1).await.expect("it is gone");
    cluster.local.restart(1).await.expect("it starts again");
    sent.push(chat.send(&key, text).await);
    chat.holds_exactly(&sent).await;
}
