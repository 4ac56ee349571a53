//! Who is there before the load begins, and what all clients know.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::board::Board;
use super::journal::Journal;
use crate::call::{Caller, Limits, connections};
use crate::engine::Stop;
use crate::recorder::Recorder;
use crate::routes::Routes;
use crate::setup::Builder;
use crate::suite::Targets;

/// Users for each room, beside the one who fills disks.
const USERS_PER_ROOM: usize = 2;
/// A set-up operation may take so long: nothing is wrong yet.
const SET_UP: Duration = Duration::from_secs(20);

/// A room, and what is known of it.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: u64,
    /// The highest number of a message that any client was told.
    pub(super) known: AtomicU64,
}

/// A user, and the places of the rooms that it is in.
#[derive(Debug)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) rooms: Vec<usize>,
}

/// What all clients share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) nonce: String,
    pub(super) seed: u64,
    pub(super) rooms: Vec<Room>,
    pub(super) users: Vec<User>,
    /// A room for nothing but large messages, and its only member.
    pub(super) ballast: (Room, u64),
    pub(super) journal: Arc<Journal>,
    pub(super) board: Arc<Board>,
    pub(super) recorder: Arc<Mutex<Recorder>>,
    pub(super) stop: Stop,
    /// No operation begins after it.
    pub(super) until: Instant,
}

/// Who is there.
#[derive(Debug)]
pub(super) struct People {
    pub(super) rooms: Vec<u64>,
    pub(super) users: Vec<User>,
    pub(super) ballast: (u64, u64),
    /// A session for each client.
    pub(super) sessions: Vec<u64>,
}

impl Room {
    pub(super) fn new(id: u64) -> Self {
        Room {
            id,
            known: AtomicU64::new(0),
        }
    }

    pub(super) fn learn(&self, seq: u64) {
        self.known.fetch_max(seq, Ordering::Relaxed);
    }
}

/// Creates users, rooms, members and sessions, and tells the history who is where.
///
/// # Errors
/// What could not be made, and why.
pub(super) async fn set_up(
    urls: &[String],
    nonce: &str,
    rooms: usize,
    clients: usize,
    journal: &Journal,
) -> Result<People, String> {
    let routes = Arc::new(Routes::new(urls, Targets::Leader)?);
    let mut caller = Caller::new(connections()?, routes, 0);
    caller.limits = Limits {
        operation: SET_UP,
        ..Limits::default()
    };
    let mut builder = Builder::open(caller.clone()).await?;
    let mut sessions = Vec::new();
    for _ in 0..clients {
        sessions.push(Builder::open(caller.clone()).await?.session.0);
    }
    let mut users = Vec::new();
    for nth in 0..rooms * USERS_PER_ROOM {
        let id = builder.user(format!("{nonce}-user-{nth}")).await?;
        users.push(User {
            id,
            rooms: Vec::new(),
        });
    }
    let mut room_ids = Vec::new();
    for room in 0..rooms {
        let name = format!("{nonce}-room-{room}");
        let creator = users[room].id;
        let id = builder.room(name, creator).await?;
        room_ids.push(id);
        journal.member(id, creator);
        users[room].rooms.push(room);
        let many = users.len();
        for (nth, user) in users.iter_mut().enumerate() {
            // About half of the users, others in each room; the creator is one already.
            if nth != room && (nth + room) % many < many / 2 {
                builder.join(id, user.id).await?;
                journal.member(id, user.id);
                user.rooms.push(room);
            }
        }
    }
    let filler = builder.user(format!("{nonce}-filler")).await?;
    let ballast = builder.room(format!("{nonce}-ballast"), filler).await?;
    journal.member(ballast, filler);
    // Whoever is in no room has nothing to say.
    users.retain(|user| !user.rooms.is_empty());
    Ok(People {
        rooms: room_ids,
        users,
        ballast: (ballast, filler),
        sessions,
    })
}
