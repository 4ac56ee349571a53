//! What this process has used, for `/metrics`. The names are those of Prometheus's client
//! libraries, where they have one.

use std::fmt::Write as _;

use crate::local::{anonymous_memory_bytes, cpu_seconds};

/// The process's metrics; none where there is no `/proc`. Reading it waits for no disk.
pub(super) fn text() -> String {
    let own = std::process::id();
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, suffix: &str, value: String| {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{suffix} {value}"
        );
    };
    if let Ok(seconds) = cpu_seconds(own) {
        metric(
            "process_cpu_seconds",
            "counter",
            "Processor time used, user and system, in seconds.",
            "_total",
            seconds.to_string(),
        );
    }
    if let Ok(bytes) = anonymous_memory_bytes(own) {
        metric(
            "process_resident_anonymous_bytes",
            "gauge",
            "Memory in use that no file stands behind, in bytes.",
            "",
            bytes.to_string(),
        );
    }
    text
}
