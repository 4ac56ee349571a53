//! Cuts by nftables, which counts what meets them.
//!
//! Each replica's namespace has a table with two counters that outlive the rules that count with
//! them: a rule can be taken away at any time, and nothing of what it has counted is lost.
//!
//! What is to vanish is dropped where it comes in, so that its sender is not told, as on a broken
//! line; what is to be refused is answered where it goes out, so that its sender is told.

use std::net::Ipv4Addr;
use std::process::Command;

use super::tools;

/// What sets a namespace's table up. It comes and goes as a whole, with its namespace.
const TABLE: &str = "\
table ip telegraft {
    counter vanished { }
    counter refused { }
    chain input { type filter hook input priority 0; }
    chain output { type filter hook output priority 0; }
}
";
/// An address of nobody (RFC 5737).
const EXAMPLE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Packets that met a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    /// Dropped.
    pub(super) vanished: u64,
    /// Answered with a reset.
    pub(super) refused: u64,
}

/// Makes a namespace's table.
///
/// # Errors
/// Why nothing can be cut and counted so: there is no `nft`, or the system refuses rules like ours.
pub(super) fn make(namespace: &str) -> Result<(), String> {
    nft(namespace, &["-f", "-"], TABLE)?;
    // Rules of both kinds, to see whether they can be had.
    set(namespace, &[EXAMPLE], &[EXAMPLE])?;
    set(namespace, &[], &[])
}

/// From now on what comes from some addresses vanishes, and what is sent to others is answered by a
/// reset; nothing else is cut. (A reset gets through, so that the other side of a connection
/// learns of its end, too.)
pub(super) fn set(
    namespace: &str,
    vanishes_from: &[Ipv4Addr],
    refused_to: &[Ipv4Addr],
) -> Result<(), String> {
    nft(namespace, &["-f", "-"], &rules(vanishes_from, refused_to)).map(drop)
}

/// The packets that have met a cut so far.
pub(super) fn read(namespace: &str) -> Result<Met, String> {
    let text = nft(namespace, &["list", "table", "ip", "telegraft"], "")?;
    met(&text).ok_or_else(|| format!("{} tells no counters: {text}", tools::NFT))
}

/// One transaction: there is no moment at which nothing is cut.
fn rules(vanishes_from: &[Ipv4Addr], refused_to: &[Ipv4Addr]) -> String {
    let chains = ["input", "output"].map(|chain| format!("flush chain ip telegraft {chain}\n"));
    // Resets that we give to a replica itself come in by another interface.
    let vanishes = vanishes_from.iter().map(|from| {
        format!(
            "add rule ip telegraft input iifname \"eth0\" ip saddr {from} counter name vanished drop\n"
        )
    });
    let refused = refused_to.iter().map(|to| {
        format!(
            "add rule ip telegraft output ip daddr {to} tcp flags & rst == 0 counter name refused \
             reject with tcp reset\n"
        )
    });
    chains.into_iter().chain(vanishes).chain(refused).collect()
}

/// What the counters say, in the listing of a table.
fn met(text: &str) -> Option<Met> {
    // `counter NAME { packets N bytes N }`, over several lines.
    let count = |name: &str| {
        let (_, after) = text.split_once(&format!("counter {name} {{"))?;
        let mut words = after.split_whitespace();
        let packets = (words.next()? == "packets").then(|| words.next())??;
        packets.parse().ok()
    };
    Some(Met {
        vanished: count("vanished")?,
        refused: count("refused")?,
    })
}

fn nft(namespace: &str, args: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(tools::IP);
    command.args(["netns", "exec", namespace, tools::NFT]);
    tools::run(command.args(args), input)
        .map_err(|error| format!("{error} (nft is of the package nftables)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_a_listing() {
        let listing = "table ip telegraft {\n\tcounter vanished {\n\t\tpackets 17 bytes 1020\n\t}\n\n\t\
             counter refused {\n\t\tpackets 3 bytes 180\n\t}\n\n\tchain input {\n\t\t\
             iifname \"eth0\" ip saddr 198.18.0.2 counter name \"vanished\" drop\n\t}\n}\n";
        let expected = Met {
            vanished: 17,
            refused: 3,
        };
        assert_eq!(met(listing), Some(expected));
        assert_eq!(met("table ip telegraft {\n}\n"), None);
        assert_eq!(met(&listing.replace("packets 3", "packets")), None);
    }

    #[test]
    fn each_address_has_its_rule_in_its_direction() {
        let [one, other] = [2, 3].map(|last| Ipv4Addr::new(198, 18, 0, last));
        let text = rules(&[one], &[other]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[2].contains("saddr 198.18.0.2 counter name vanished drop"));
        assert!(lines[3].contains("daddr 198.18.0.3"));
        assert_eq!(rules(&[], &[]).lines().count(), 2);
    }
}
