//! What clients do.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use telegraft_cluster::http::Consistency;

use super::Targets;
use super::de;

/// A workload: who is there, what they do, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name: its file's, without the ending.
    #[serde(skip)]
    pub name: String,
    /// What it stands for.
    #[serde(default)]
    pub description: String,
    /// Closed-loop clients: each has one operation open at a time, on a connection of its own.
    #[serde(deserialize_with = "de::clients")]
    pub clients: usize,
    /// How fresh reads must be.
    #[serde(default)]
    pub consistency: Consistency,
    /// Which replicas the clients talk to.
    #[serde(default)]
    pub targets: Targets,
    /// Bytes of a message's body.
    #[serde(deserialize_with = "de::message_bytes")]
    pub message_bytes: usize,
    /// Who is there before the load begins.
    pub population: Population,
    /// What clients do, and how often.
    pub operations: Operations,
    /// What happens to the cluster meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// Who is there before the load begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// Users, spread over the clients.
    #[serde(deserialize_with = "de::population")]
    pub users: usize,
    /// Rooms.
    #[serde(deserialize_with = "de::population")]
    pub rooms: usize,
    /// How many rooms each user is a member of.
    #[serde(deserialize_with = "de::population")]
    pub rooms_per_user: usize,
    /// Messages in each room before the load begins.
    #[serde(default, deserialize_with = "de::prefill")]
    pub prefill: usize,
}

/// What clients do. Weights are relative to one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// Sends a message to one of the user's rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<Send>,
    /// Reads one of the user's rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Read>,
    /// Reads what is new in all of the user's rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<Inbox>,
}

/// Sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// How often, relative to the others.
    #[serde(deserialize_with = "de::weight")]
    pub weight: u32,
}

/// Reads of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// How often, relative to the others.
    #[serde(deserialize_with = "de::weight")]
    pub weight: u32,
    /// Which page.
    pub page: ReadPage,
    /// Messages of a page, at most.
    #[serde(deserialize_with = "de::limit")]
    pub limit: usize,
}

/// Which page of a room is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadPage {
    /// The last messages.
    Latest,
    /// What came since this client last read the room.
    SinceLastSeen,
}

/// Reads of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbox {
    /// How often, relative to the others.
    #[serde(deserialize_with = "de::weight")]
    pub weight: u32,
    /// Messages of an answer, at most.
    #[serde(deserialize_with = "de::limit")]
    pub limit: usize,
}

/// Something that happens to the cluster under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When, from the moment that measuring begins.
    #[serde(
        deserialize_with = "de::duration",
        serialize_with = "de::duration_text"
    )]
    pub at: Duration,
    /// Who is killed, with SIGKILL; it is started again after the load.
    pub kill: Kill,
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kill {
    /// The replica that leads at that moment.
    Leader,
}
