//! What clients ask for and what comes of it: the plain list that is judged.

use std::fmt;
use std::time::Duration;

use telegraft_cluster::chat::{Outcome, QueryError, SessionKey};
use telegraft_cluster::http::{Consistency, Refusal};
use telegraft_cluster::raft::{LogIndex, NodeId};

/// A message's name, unique in a run: it begins the message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// Messages of one client have ids between two multiples of this.
const IDS_PER_CLIENT: u64 = 1_000_000;
/// What ends the id in a body; padding follows.
const END_OF_ID: char = '.';

impl MessageId {
    /// The `number`-th message of a client.
    pub fn new(client: usize, number: u64) -> Self {
        debug_assert!(number < IDS_PER_CLIENT, "a client sends fewer");
        MessageId(client as u64 * IDS_PER_CLIENT + number)
    }

    /// A body of about `bytes` bytes that begins with the id.
    pub fn body(self, bytes: usize) -> String {
        let mut body = format!("{}{END_OF_ID}", self.0);
        let padding = bytes.saturating_sub(body.len());
        body.extend(std::iter::repeat_n('x', padding));
        body
    }

    /// The id that a body begins with; none when it is no body of ours.
    pub fn from_body(body: &[u8]) -> Option<Self> {
        let end = body.iter().position(|byte| *byte == END_OF_ID as u8)?;
        let digits = std::str::from_utf8(&body[..end]).ok()?;
        digits.parse().ok().map(MessageId)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "m{}-{}",
            self.0 / IDS_PER_CLIENT,
            self.0 % IDS_PER_CLIENT
        )
    }
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Opens a session.
    Register,
    /// Creates a user.
    User(String),
    /// Creates a room.
    Room {
        /// Its name.
        name: String,
        /// Its first member.
        creator: u64,
    },
    /// Makes a user a member.
    Join {
        /// The room.
        room: u64,
        /// The user.
        user: u64,
    },
    /// Sends a message.
    Send {
        /// The room.
        room: u64,
        /// The author.
        user: u64,
        /// The message.
        id: MessageId,
        /// The length of its body, in bytes.
        bytes: usize,
    },
}

/// What a client asks a node for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A write.
    Write {
        /// What it does.
        write: Write,
        /// Its idempotency key.
        key: Option<SessionKey>,
    },
    /// A page of a room.
    Page {
        /// The room.
        room: u64,
        /// The messages after this one.
        after: u64,
        /// At most so many.
        limit: usize,
        /// How fresh.
        consistency: Consistency,
        /// Not before this is applied.
        min_index: LogIndex,
    },
    /// A user's inbox.
    Inbox {
        /// The user.
        user: u64,
        /// The cursor.
        after: LogIndex,
        /// At most so many.
        limit: usize,
        /// How fresh.
        consistency: Consistency,
    },
}

impl Call {
    /// How fresh the read must be; none for a write.
    pub fn consistency(&self) -> Option<Consistency> {
        match self {
            Call::Write { .. } => None,
            Call::Page { consistency, .. } | Call::Inbox { consistency, .. } => Some(*consistency),
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A write's outcome.
    Done(Outcome),
    /// A page: seq and message, and the index that was applied.
    Page {
        /// The messages.
        messages: Vec<(u64, MessageId)>,
        /// The applied index.
        applied: LogIndex,
    },
    /// An inbox: room, seq and message.
    Inbox {
        /// The messages.
        messages: Vec<(u64, u64, MessageId)>,
        /// The next cursor.
        cursor: LogIndex,
        /// The applied index.
        applied: LogIndex,
    },
    /// The state machine has no such room or user.
    NotFound {
        /// What it says.
        error: QueryError,
        /// The applied index.
        applied: LogIndex,
    },
    /// The node refused.
    Refused(Refusal),
    /// The answer made no sense; the text says why.
    Garbled(String),
    /// The node went away with the request.
    Lost,
    /// The client waited no longer.
    GaveUp,
    /// The node was not there: nothing was asked.
    NotThere,
}

impl Reply {
    /// Whether a write may happen, or has, though it was not acknowledged.
    pub fn is_unknown(&self) -> bool {
        matches!(
            self,
            Reply::Lost | Reply::GaveUp | Reply::Refused(Refusal::Unknown)
        )
    }

    /// The index that was applied at a read.
    pub fn applied(&self) -> Option<LogIndex> {
        match self {
            Reply::Page { applied, .. }
            | Reply::Inbox { applied, .. }
            | Reply::NotFound { applied, .. } => Some(*applied),
            _ => None,
        }
    }

    /// The highest log index that the answer shows to exist.
    pub fn shown_index(&self) -> LogIndex {
        match self {
            Reply::Done(Outcome::Sent { index, .. }) => *index,
            Reply::Done(Outcome::SessionRegistered { session_id, .. }) => *session_id,
            reply => reply.applied().unwrap_or(0),
        }
    }
}

/// One call of a client to one node, and its reply.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its number in the run.
    pub number: usize,
    /// The client.
    pub client: usize,
    /// Whom it asked.
    pub node: NodeId,
    /// In which of the node's lives.
    pub life: u32,
    /// What.
    pub call: Call,
    /// When, since the beginning of the run.
    pub invoked: Duration,
    /// How long the node had for it.
    pub deadline: Duration,
    /// The highest log index that any completed call had shown when this one was made.
    pub floor: LogIndex,
    /// When the reply came.
    pub completed: Option<Duration>,
    /// The reply.
    pub reply: Option<Reply>,
    /// Whether the node ran all the time until the reply came.
    pub undisturbed: bool,
}

/// Whether a reply to a write says that nothing was proposed.
pub fn surely_not_proposed(reply: &Reply) -> bool {
    match reply {
        Reply::NotThere => true,
        Reply::Refused(refusal) => !matches!(refusal, Refusal::Unknown),
        _ => false,
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Write { write, key } => {
                match write {
                    Write::Register => write!(f, "open a session")?,
                    Write::User(name) => write!(f, "create user {name}")?,
                    Write::Room { name, .. } => write!(f, "create room {name}")?,
                    Write::Join { room, user } => write!(f, "user {user} joins room {room}")?,
                    Write::Send { room, id, .. } => write!(f, "send {id} to room {room}")?,
                }
                match key {
                    Some(key) => write!(f, " (key {}/{})", key.session_id, key.sequence),
                    None => write!(f, " (no key)"),
                }
            }
            Call::Page {
                room,
                after,
                limit,
                consistency,
                min_index,
            } => {
                write!(
                    f,
                    "{consistency:?} read of room {room}, {limit} after {after}"
                )?;
                if *min_index > 0 {
                    write!(f, ", not before index {min_index}")?;
                }
                Ok(())
            }
            Call::Inbox {
                user,
                after,
                limit,
                consistency,
            } => write!(
                f,
                "{consistency:?} read of the inbox of user {user}, {limit} after {after}"
            ),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Done(outcome) => write!(f, "{outcome:?}"),
            Reply::Page { messages, applied } => {
                write!(f, "{} messages", messages.len())?;
                if let (Some(first), Some(last)) = (messages.first(), messages.last()) {
                    write!(f, ", {} {} to {} {}", first.0, first.1, last.0, last.1)?;
                }
                write!(f, "; applied {applied}")
            }
            Reply::Inbox {
                messages,
                cursor,
                applied,
            } => write!(
                f,
                "{} messages, cursor {cursor}; applied {applied}",
                messages.len()
            ),
            Reply::NotFound { error, applied } => write!(f, "{error}; applied {applied}"),
            Reply::Refused(refusal) => write!(f, "refused: {refusal:?}"),
            Reply::Garbled(why) => write!(f, "garbled: {why}"),
            Reply::Lost => write!(f, "the node went away with it"),
            Reply::GaveUp => write!(f, "no answer"),
            Reply::NotThere => write!(f, "the node is not there"),
        }
    }
}
