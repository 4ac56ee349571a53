//! The Raft chat cluster.

pub mod chat;
pub mod codec;
pub mod env;
pub mod http;
pub mod local;
pub mod log;
pub mod node;
pub mod raft;
pub mod time;
