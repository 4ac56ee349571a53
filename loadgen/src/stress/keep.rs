//! Disks in memory are gone with the cluster: what explains a bad end is copied before.

use std::fs;
use std::io;
use std::path::Path;

/// Where the copies are, in the directory for the replicas' data.
const KEPT: &str = "kept";

/// Copies what the replicas `1..=replicas` have in `data_dir/node-<id>` into `data_dir/kept`.
///
/// # Errors
/// When it cannot be copied.
pub(super) fn keep(data_dir: &Path, replicas: usize) -> io::Result<()> {
    for id in 1..=replicas {
        let name = format!("node-{id}");
        copy(&data_dir.join(&name), &data_dir.join(KEPT).join(&name))?;
    }
    Ok(())
}

/// Copies files and directories, and nothing else that there may be.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replicas_have_is_copied_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("node-2/log");
        fs::create_dir_all(&log).expect("it is made");
        fs::create_dir_all(dir.path().join("node-1")).expect("it is made");
        fs::write(log.join("1.seg"), "entries").expect("it is written");
        keep(dir.path(), 2).expect("it is copied");
        let kept = fs::read_to_string(dir.path().join("kept/node-2/log/1.seg"));
        assert_eq!(kept.expect("it is there"), "entries");
        assert!(dir.path().join("kept/node-1").is_dir());
        assert!(keep(dir.path(), 3).is_err(), "there is no third");
    }
}
