//! Values of arguments that several subcommands take.

use clap::ValueEnum;
use telegraft_cluster::http::Consistency;
use telegraft_cluster::log::Durability;
use telegraft_cluster::node::Mailbox;

/// How a replica's consensus actor takes its messages.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MailboxArg {
    /// Lanes with priority: timers and peers before clients.
    Lanes,
    /// One plain queue.
    Fifo,
}

impl From<MailboxArg> for Mailbox {
    fn from(arg: MailboxArg) -> Mailbox {
        match arg {
            MailboxArg::Lanes => Mailbox::Lanes,
            MailboxArg::Fifo => Mailbox::Fifo,
        }
    }
}

/// Whether a write is waited for until it is on stable storage.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DurabilityArg {
    /// fdatasync before a write is acknowledged.
    Fsync,
    /// Written, not synced: survives a killed process, not a power cut.
    None,
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Durability {
        match arg {
            DurabilityArg::Fsync => Durability::Fsync,
            DurabilityArg::None => Durability::None,
        }
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ConsistencyArg {
    /// Sees every write acknowledged before it began.
    Linearizable,
    /// The same, on the word of the leader's lease.
    Lease,
    /// Whatever the replica asked has applied.
    Local,
}

impl From<ConsistencyArg> for Consistency {
    fn from(arg: ConsistencyArg) -> Consistency {
        match arg {
            ConsistencyArg::Linearizable => Consistency::Linearizable,
            ConsistencyArg::Lease => Consistency::Lease,
            ConsistencyArg::Local => Consistency::Local,
        }
    }
}
