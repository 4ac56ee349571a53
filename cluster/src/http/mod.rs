//! The chat's HTTP interface, version 1.

pub mod api;
mod backend;

pub use backend::{
    Backend, Consistency, LeaderInfo, MemberStatus, NodeStatus, PeerStatus, Refusal,
};
