//! How much may happen: what keeps the space of states finite.

use std::fmt;

/// The most replicas.
pub const MAX_NODES: usize = 3;
/// The most terms.
pub const MAX_TERMS: usize = 5;
/// The most commands.
pub const MAX_COMMANDS: usize = 5;
/// The most reads.
pub const MAX_READS: usize = 2;

/// Writes of one replica that may be open. More than within the bounds there can be, but for a
/// core that writes the same again and again.
pub(crate) const MAX_WRITES: u8 = 12;

/// What one exploration allows, over all replicas together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Replicas, all voters: 1 to [`MAX_NODES`].
    pub nodes: usize,
    /// Terms. In the last one nobody loses patience any more: no replica campaigns, no leader
    /// is deserted.
    pub terms: u64,
    /// Commands that clients propose, beside the no-op that opens each leadership.
    pub commands: u8,
    /// Crashes, each with a restart at once. (A replica that is down is like one whose messages
    /// do not come.)
    pub crashes: u8,
    /// Heartbeats, beside those that an election and reads bring.
    pub heartbeats: u8,
    /// How often a message arrives again; none: any message any number of times. Messages are
    /// late, lost and out of order in either case.
    pub duplicates: Option<u8>,
    /// Messages whose sender is told that they were lost.
    pub losses: u8,
    /// Linearizable reads.
    pub reads: u8,
    /// Hand-overs of leadership.
    pub transfers: u8,
    /// Whether refusals and PreVote are explored message by message, instead of by what they may
    /// do at most ([the crate's page](crate) says how).
    pub every_message: bool,
    /// Whether an AppendEntries carries one entry; otherwise it carries all that there are.
    pub single_entries: bool,
}

impl Bounds {
    /// Only elections, of so many replicas in so many terms: no command, crash or read.
    pub const fn new(nodes: usize, terms: u64) -> Self {
        Bounds {
            nodes,
            terms,
            commands: 0,
            crashes: 0,
            heartbeats: 0,
            duplicates: None,
            losses: 0,
            reads: 0,
            transfers: 0,
            every_message: false,
            single_entries: false,
        }
    }

    /// What is wrong with them, if anything.
    ///
    /// # Errors
    /// A bound is beyond what an exploration has room for; it is named.
    pub fn check(&self) -> Result<(), String> {
        let limits = [
            ("nodes", self.nodes, 1, MAX_NODES),
            (
                "terms",
                usize::try_from(self.terms).unwrap_or(usize::MAX),
                1,
                MAX_TERMS,
            ),
            ("entries", usize::from(self.commands), 0, MAX_COMMANDS),
            ("reads", usize::from(self.reads), 0, MAX_READS),
        ];
        for (name, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                return Err(format!("{name}: {value} is not in {least} to {most}"));
            }
        }
        if self.reads > 0 && self.heartbeats > 0 {
            return Err("reads bring heartbeats of their own: no others with them".to_owned());
        }
        if self.reads > 0 && self.duplicates.is_none() {
            return Err(
                "a question that arrives again is a read more: bound duplicates".to_owned(),
            );
        }
        Ok(())
    }
}

impl fmt::Display for Bounds {
    /// In words, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bounds {
            nodes,
            terms,
            commands,
            crashes,
            heartbeats,
            duplicates,
            losses,
            reads,
            transfers,
            every_message,
            single_entries,
        } = self;
        write!(f, "{}", count(*nodes, "replica"))?;
        write!(f, ", {}", count(*terms, "term"))?;
        let counts = [
            (commands, "command"),
            (crashes, "crash"),
            (heartbeats, "heartbeat"),
            (reads, "read"),
            (transfers, "hand-over"),
            (losses, "told loss"),
        ];
        for (number, what) in counts.into_iter().filter(|(number, _)| **number > 0) {
            write!(f, ", {}", count(*number, what))?;
        }
        match duplicates {
            Some(0) => f.write_str(", no duplicates")?,
            Some(most) => write!(f, ", {}", count(*most, "duplicate"))?,
            None => {}
        }
        if *every_message {
            f.write_str(", every message")?;
        }
        if *single_entries {
            f.write_str(", entries one by one")?;
        }
        Ok(())
    }
}

fn count(number: impl fmt::Display, what: &str) -> String {
    let number = number.to_string();
    let plural = match what {
        _ if number == "1" => "",
        "crash" | "told loss" => "es",
        _ => "s",
    };
    format!("{number} {what}{plural}")
}

/// What of the bounds has been used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Used {
    pub(crate) commands: u8,
    pub(crate) crashes: u8,
    pub(crate) heartbeats: u8,
    pub(crate) duplicates: u8,
    pub(crate) losses: u8,
    pub(crate) reads: u8,
    pub(crate) transfers: u8,
}

impl Used {
    /// All of it in a number.
    pub(crate) fn print(&self) -> u64 {
        let Used {
            commands,
            crashes,
            heartbeats,
            duplicates,
            losses,
            reads,
            transfers,
        } = *self;
        u64::from_le_bytes([
            commands, crashes, heartbeats, duplicates, losses, reads, transfers, 0,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_said_in_words() {
        let all = Bounds {
            commands: 2,
            crashes: 2,
            heartbeats: 1,
            duplicates: Some(0),
            losses: 2,
            reads: 1,
            every_message: true,
            ..Bounds::new(3, 1)
        };
        assert_eq!(
            all.to_string(),
            "3 replicas, 1 term, 2 commands, 2 crashes, 1 heartbeat, 1 read, 2 told losses, \
             no duplicates, every message"
        );
        let few = Bounds {
            single_entries: true,
            ..Bounds::new(2, 2)
        };
        assert_eq!(few.to_string(), "2 replicas, 2 terms, entries one by one");
    }
}
