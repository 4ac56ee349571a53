//! What the log holds and who belongs: the nouns of the protocol.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::codec::{self, DecodeError, Reader};

/// A replica's number in its cluster; from 1.
pub type NodeId = u64;
/// A Raft term; 0 before the first election.
pub type Term = u64;
/// A position in the log; the first entry has index 1, and 0 is "before the log".
pub type LogIndex = u64;

/// What a replica must never forget besides its log (Figure 2, "persistent state").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The latest term that this replica has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
}

/// Who belongs to the cluster, and where each listens for its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Those whose votes and acknowledgements count, with their peer addresses.
    pub voters: BTreeMap<NodeId, String>,
    /// Those who receive the log and do not count, with their peer addresses.
    pub learners: BTreeMap<NodeId, String>,
}

impl Configuration {
    /// Everyone, voters and learners.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &str)> {
        self.voters
            .iter()
            .chain(&self.learners)
            .map(|(id, address)| (*id, address.as_str()))
    }

    /// How many voters make a majority.
    pub fn quorum(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// The voters' ids.
    pub fn voter_ids(&self) -> BTreeSet<NodeId> {
        self.voters.keys().copied().collect()
    }

    /// Appends the binary form to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for members in [&self.voters, &self.learners] {
            codec::put_u32(out, u32::try_from(members.len()).expect("members are few"));
            for (id, address) in members {
                codec::put_u64(out, *id);
                codec::put_bytes(out, address.as_bytes());
            }
        }
    }

    /// Takes the binary form off `reader`.
    pub fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let mut configuration = Configuration::default();
        for members in [&mut configuration.voters, &mut configuration.learners] {
            for _ in 0..reader.u32("number of members")? {
                let id = reader.u64("member id")?;
                members.insert(id, reader.string("member address")?);
            }
        }
        Ok(configuration)
    }
}

/// What an entry is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The leader's first entry of its term (§8): once committed, all before it is.
    Noop,
    /// The membership from here on.
    Configuration(Configuration),
    /// A command of the state machine, opaque here.
    Command(Bytes),
}

/// One position of the replicated log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub index: LogIndex,
    /// The term of the leader that made it.
    pub term: Term,
    /// What it says.
    pub payload: Payload,
}

impl Entry {
    /// Bytes of an encoded entry beside its payload: index, term, kind, payload length.
    pub const OVERHEAD_BYTES: usize = 8 + 8 + 1 + 4;

    /// The entry's size in a frame or a log record, in bytes.
    pub fn encoded_len(&self) -> usize {
        let payload = match &self.payload {
            Payload::Noop => 0,
            Payload::Command(command) => command.len(),
            Payload::Configuration(configuration) => {
                8 + configuration
                    .members()
                    .map(|(_, address)| 12 + address.len())
                    .sum::<usize>()
            }
        };
        Self::OVERHEAD_BYTES + payload
    }

    /// Appends the binary form to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        codec::put_u64(out, self.index);
        codec::put_u64(out, self.term);
        match &self.payload {
            Payload::Noop => {
                out.push(0);
                codec::put_bytes(out, &[]);
            }
            Payload::Configuration(configuration) => {
                out.push(1);
                let mut payload = Vec::new();
                configuration.encode(&mut payload);
                codec::put_bytes(out, &payload);
            }
            Payload::Command(command) => {
                out.push(2);
                codec::put_bytes(out, command);
            }
        }
    }

    /// Takes one entry off `reader`; a command is a slice of the input.
    pub fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let index = reader.u64("entry index")?;
        let term = reader.u64("entry term")?;
        let kind = reader.u8("entry kind")?;
        let bytes = reader.bytes("entry payload")?;
        let payload = match kind {
            0 if bytes.is_empty() => Payload::Noop,
            1 => {
                let mut inner = Reader::new(bytes);
                let configuration = Configuration::decode(&mut inner)?;
                inner.finish()?;
                Payload::Configuration(configuration)
            }
            2 => Payload::Command(bytes),
            other => {
                return Err(DecodeError::Invalid {
                    field: "entry kind",
                    value: u64::from(other),
                });
            }
        };
        Ok(Entry {
            index,
            term,
            payload,
        })
    }
}
