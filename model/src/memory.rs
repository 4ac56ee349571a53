//! How much memory this process has, and may take.

use std::fs;

/// The part of what is free, in percent, that a search takes if it is not told otherwise. The table
/// of states grows by doubling, a part of it at a time: as many parts at once as there are threads,
/// of four for each CPU. So what is held can grow by half before it is looked at again.
const SHARE_PERCENT: u64 = 60;

/// What this process has in memory now, in bytes.
pub(crate) fn resident() -> Option<u64> {
    of_file("/proc/self/status", "VmRSS:")
}

/// The most that it has had, in bytes.
pub(crate) fn peak() -> Option<u64> {
    of_file("/proc/self/status", "VmHWM:")
}

/// How much memory a search takes if it is not told otherwise: 60 % of what the system, or this
/// process's container, has to give, in bytes. None where neither tells.
pub fn default_memory_limit() -> Option<u64> {
    let system = of_file("/proc/meminfo", "MemAvailable:");
    // Without a limit it says `max`.
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|limit| limit.trim().parse::<u64>().ok());
    let available = system.into_iter().chain(container).min()?;
    Some(available / 100 * SHARE_PERCENT)
}

fn of_file(path: &str, name: &str) -> Option<u64> {
    kibibytes(&fs::read_to_string(path).ok()?, name)
}

/// The value of a line `name   123 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_system_are_read() {
        let text = "VmHWM:\t    2048 kB\nVmRSS:\t     512 kB\nThreads:\t3\n";
        assert_eq!(kibibytes(text, "VmRSS:"), Some(512 * 1024));
        assert_eq!(kibibytes(text, "VmHWM:"), Some(2048 * 1024));
        assert_eq!(kibibytes(text, "Threads:"), None);
        assert_eq!(kibibytes(text, "VmSwap:"), None);
        if cfg!(target_os = "linux") {
            assert!(resident() <= peak() && resident() > Some(0));
            assert!(default_memory_limit() > Some(0));
        }
    }
}
