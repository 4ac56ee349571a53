//! What a process has used, from `/proc`.

use std::fs;
use std::io;

/// Clock ticks per second in `/proc/<pid>/stat`: part of the kernel's interface, and 100 on every
/// architecture that this runs on, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time that a process has used since its start, user and system, all its threads,
/// in seconds; it counts in steps of 10 ms.
///
/// # Errors
/// There is no such process, or no `/proc`.
pub fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let fields = stat_fields(pid)?;
    // `utime` and `stime`; the fields are counted from `state`, the third one.
    let mut ticks = 0;
    for index in [11, 12] {
        ticks += fields
            .get(index)
            .and_then(|field| field.parse::<u32>().ok())
            .ok_or_else(|| unreadable(pid, "stat"))?;
    }
    Ok(f64::from(ticks) / TICKS_PER_SECOND)
}

/// Memory of a process that no file stands behind and that is in use, in bytes: its heap and
/// stacks, and not the pages of its log that the system keeps.
///
/// # Errors
/// There is no such process, or no `/proc`.
pub fn anonymous_memory_bytes(pid: u32) -> io::Result<u64> {
    fs::read_to_string(format!("/proc/{pid}/status"))?
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|value| value.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .and_then(|kib| kib.checked_mul(1024))
        .ok_or_else(|| unreadable(pid, "status"))
}

/// Whether a process is stopped by a signal.
pub(super) fn is_stopped(pid: u32) -> io::Result<bool> {
    Ok(stat_fields(pid)?.first().is_some_and(|state| state == "T"))
}

/// The fields of `/proc/<pid>/stat` from `state` on: the name before it may hold anything.
fn stat_fields(pid: u32) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text
        .rsplit_once(')')
        .ok_or_else(|| unreadable(pid, "stat"))?;
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}

fn unreadable(pid: u32, file: &str) -> io::Error {
    let text = format!("/proc/{pid}/{file} is not as this kernel's manual has it");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_and_allocates_is_seen_to() {
        let pid = std::process::id();
        let before = cpu_seconds(pid).expect("this process is there");
        let memory_before = anonymous_memory_bytes(pid).expect("this process is there");
        let mut kept = vec![0_u8; 64 << 20];
        let mut round = 0_u8;
        while cpu_seconds(pid).expect("this process is there") < before + 0.05 {
            round = round.wrapping_add(1);
            kept.fill(round);
        }
        let memory = anonymous_memory_bytes(pid).expect("this process is there");
        assert!(
            std::hint::black_box(&kept)
                .iter()
                .all(|byte| *byte == round)
        );
        assert!(
            memory >= memory_before + (32 << 20),
            "{memory_before} before, {memory} with 64 MiB more"
        );
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        // No process has an id this large (the kernel's limit is 2^22).
        assert!(cpu_seconds(u32::MAX).is_err());
        assert!(anonymous_memory_bytes(u32::MAX).is_err());
    }
}
