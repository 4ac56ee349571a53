//! What a measurement was made on, and with: trials that differ in it are not trials of the same.

use telegraft_loadgen::results::Environment;

/// A value of an environment, as it is told.
pub(crate) type OfEnvironment = fn(&Environment) -> String;

/// What a machine is.
pub(crate) const MACHINE: [(&str, OfEnvironment); 6] = [
    ("host", |e| e.host.clone()),
    ("processor", |e| e.cpu.clone()),
    ("processors", |e| e.cpus.to_string()),
    ("memory", |e| format!("{} MiB", e.memory_bytes >> 20)),
    ("kernel", |e| e.kernel.clone()),
    ("file system", |e| e.file_system.clone()),
];

/// What a build is.
pub(crate) const BUILD: [(&str, OfEnvironment); 4] = [
    ("telegraft", |e| e.version.clone()),
    ("git revision", |e| {
        e.git_revision
            .clone()
            .unwrap_or_else(|| "unknown".to_owned())
    }),
    ("compiler", |e| e.rustc.clone()),
    ("profile", |e| e.profile.clone()),
];

/// Whether two directories were made on the same machine with the same build. One of which that
/// is not known is like no other.
pub(crate) fn same(one: Option<&Environment>, other: Option<&Environment>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return false;
    };
    let mut of_both = MACHINE.iter().chain(&BUILD);
    of_both.all(|(_, value)| value(one) == value(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use telegraft_loadgen::results::{SCHEMA_VERSION, SyncTimes};

    fn environment() -> Environment {
        Environment {
            schema_version: SCHEMA_VERSION,
            started_at: "2026-03-01T12:30:05Z".to_owned(),
            host: "bench-1".to_owned(),
            cpu: "Example CPU @ 2.00GHz".to_owned(),
            cpus: 2,
            memory_bytes: 8 << 30,
            kernel: "Linux 6.12.1".to_owned(),
            file_system: "ext4".to_owned(),
            fdatasync: SyncTimes {
                samples: 200,
                p50_us: 131.4,
                p90_us: 212.0,
                p99_us: 304.9,
                max_us: 1_204.0,
            },
            version: "0.1.0".to_owned(),
            git_revision: None,
            rustc: "rustc 1.93.0".to_owned(),
            profile: "release".to_owned(),
        }
    }

    #[test]
    fn every_part_of_machine_and_build_counts() {
        let here = environment();
        let later = Environment {
            started_at: "2026-03-02T12:30:05Z".to_owned(),
            ..here.clone()
        };
        assert!(same(Some(&here), Some(&later)));
        let changes: [fn(&mut Environment); 10] = [
            |e| e.host.push('2'),
            |e| e.cpu.push('2'),
            |e| e.cpus += 1,
            |e| e.memory_bytes *= 2,
            |e| e.kernel.push('2'),
            |e| e.file_system.push('2'),
            |e| e.version.push('2'),
            |e| e.git_revision = Some("0123456789ab".to_owned()),
            |e| e.rustc.push('2'),
            |e| e.profile.push('2'),
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut other = here.clone();
            change(&mut other);
            assert!(!same(Some(&here), Some(&other)), "{at}");
        }
    }

    #[test]
    fn what_is_not_known_is_like_nothing() {
        assert!(!same(None, None));
        assert!(!same(Some(&environment()), None));
    }
}
