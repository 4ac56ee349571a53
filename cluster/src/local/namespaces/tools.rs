//! The programs that set networks up.

use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

/// Of the package iproute2.
pub(super) const IP: &str = "ip";
/// Of the package nftables.
pub(super) const NFT: &str = "nft";

/// Runs `ip`.
pub(super) fn ip(args: &[&str]) -> Result<(), String> {
    read(args).map(drop)
}

/// Runs `ip`; what it prints.
pub(super) fn read(args: &[&str]) -> Result<String, String> {
    run(Command::new(IP).args(args), "")
}

/// Runs a command with `input` on its standard input; what it prints.
pub(super) fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let output = output(command, input)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// In a process group of its own: a Ctrl-C in the terminal is the launcher's to hear, and ends
/// nothing that sets up or takes away.
fn output(command: &mut Command, input: &str) -> Result<Output, String> {
    let text = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    let started = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let finished = started.and_then(|mut child| {
        // What it is told fits a pipe; one that does not read says why on its standard error.
        let told = child
            .stdin
            .take()
            .map(|mut pipe| pipe.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        match told {
            Some(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(output),
        }
    });
    let output = finished.map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("the program {:?} is missing", command.get_program()),
        _ => format!("{text}: {error}"),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{text}: {} ({})", said.trim(), output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_program_and_what_it_said() {
        let missing = run(Command::new("telegraft-no-such-program").arg("-f"), "");
        let expected = "the program \"telegraft-no-such-program\" is missing";
        assert_eq!(missing, Err(expected.to_owned()));
        let failed = run(
            Command::new("sh").args(["-c", "read x; echo no $x >&2; exit 3"]),
            "way\n",
        );
        let failed = failed.expect_err("it fails");
        assert!(failed.starts_with("sh -c "), "{failed}");
        assert!(failed.ends_with(": no way (exit status: 3)"), "{failed}");
    }
}
