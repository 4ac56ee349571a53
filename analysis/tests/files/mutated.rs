//! Whatever bytes the files hold, there is a report.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The files of a directory, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for sub in ["", "latency"] {
        for entry in fs::read_dir(dir.join(sub)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

#[derive(Clone, Debug)]
enum Change {
    Put(usize, u8),
    Cut(usize),
    Twice(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"\",\n\r0-9.=e[]".to_vec())
    ];
    prop_oneof![
        8 => (any::<usize>(), byte).prop_map(|(at, byte)| Change::Put(at, byte)),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(at, len)| Change::Twice(at, len)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_get_a_report(
        name in prop::sample::select(vec!["well", "troubled", "open"]),
        changes in vec((any::<usize>(), vec(change(), 1..8)), 1..6),
    ) {
        let copy = copy(name);
        let files = files(copy.path());
        for (file, changes) in changes {
            let path = &files[file % files.len()];
            let mut bytes = fs::read(path).unwrap();
            for change in changes.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
                let len = bytes.len().max(1);
                match change {
                    Change::Put(at, byte) => {
                        if let Some(old) = bytes.get_mut(at % len) {
                            *old = *byte;
                        }
                    }
                    Change::Cut(at) => bytes.truncate(at % len),
                    Change::Twice(at, more) => {
                        let from = at % len;
                        let part = bytes[from.min(bytes.len())..].to_vec();
                        let part = &part[..part.len().min(more % 2_000)];
                        bytes.extend_from_slice(part);
                    }
                }
            }
            fs::write(path, bytes).unwrap();
        }
        let report = report::write(copy.path());
        prop_assert!(report.is_ok(), "{:?}", report);
    }
}
