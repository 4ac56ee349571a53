//! What `telegraft load --explain` says of a workload.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p telegraft-loadgen --test suites` writes the files; read the
//! difference before you commit it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use telegraft_loadgen::suite::{self, Overrides};

#[test]
fn a_workload_is_explained_in_sentences() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/explained");
    for name in [
        "chat",
        "burst",
        "hot-room",
        "failover",
        "everything",
        "thinking",
        "day",
    ] {
        let path = directory.join(format!("{name}.toml"));
        let source = if path.is_file() {
            path.to_str().unwrap()
        } else {
            name
        };
        let mut workload = suite::load_workload(source, &Overrides::default()).unwrap();
        // Where the recording is differs from checkout to checkout.
        if let suite::Arrival::Trace { file, .. } = &mut workload.arrival {
            *file = file.file_name().unwrap().into();
        }
        let text = suite::explain(&workload, Duration::from_secs(1), Duration::from_secs(10));
        let golden = directory.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        assert_eq!(
            text,
            fs::read_to_string(&golden).unwrap_or_default(),
            "{name}"
        );
    }
}
