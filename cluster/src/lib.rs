//! A persistent, replicated, distributed chat on Raft, as actors on tokio.
//!
//! A message's way from its sender to every replica, and back; read the files in this order:
//!
//! - ① [`http`] parses the request and calls the [`Backend`](http::Backend) behind it;
//! - ② [`node::Node`] encodes the [`Command`](chat::Command) and puts it into
//! - ③ the mailbox of the consensus actor (`node/mailbox.rs`, `node/consensus.rs`), which feeds
//! - ④ the Raft core, [`raft::Raft`], and carries its [`Effects`](raft::Effects) out:
//! - ⑤ the log writer (`node/writer.rs`) makes the entry durable in the [`log`], while
//! - ⑥ the peer links (`node/links.rs`, `node/wire.rs`) take it to the other replicas;
//! - ⑦ the applier (`node/applier.rs`) gives what is committed to the [`chat`] and answers;
//! - ⑧ [`http`] writes the answer.
//!
//! The world that a node lives in (clock, disk, network, threads, randomness) is an
//! [`Env`](env::Env): the system's, or a simulator's. [`local`] runs whole clusters of real
//! processes on one machine.

pub mod chat;
pub mod codec;
pub mod env;
pub mod http;
pub mod known_bugs;
pub mod local;
pub mod log;
pub mod node;
pub mod raft;
pub mod time;
