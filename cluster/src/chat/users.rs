//! Users: unique names, and ids that count from 1.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::digest::{Change, Changes};

#[derive(Debug)]
struct User {
    name: Arc<str>,
    /// The rooms that it is a member of, in the order of joining.
    rooms: Vec<u64>,
}

/// All users.
#[derive(Debug, Default)]
pub(super) struct Users {
    by_id: Vec<User>,
    by_name: BTreeMap<Arc<str>, u64>,
}

impl Users {
    /// The new user's id; none if the name is taken.
    pub(super) fn create(&mut self, name: &str, changes: &mut Changes) -> Option<u64> {
        if self.by_name.contains_key(name) {
            return None;
        }
        let name: Arc<str> = name.into();
        self.by_id.push(User {
            name: Arc::clone(&name),
            rooms: Vec::new(),
        });
        let id = self.by_id.len() as u64;
        self.by_name.insert(name, id);
        changes.note(Change::User(id));
        Some(id)
    }

    pub(super) fn exists(&self, id: u64) -> bool {
        position(id).is_some_and(|at| at < self.by_id.len())
    }

    pub(super) fn name(&self, id: u64) -> Option<&str> {
        Some(&self.by_id.get(position(id)?)?.name)
    }

    /// The user of that name.
    pub(super) fn named(&self, name: &str) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    /// The rooms of a user; none if there is no such user.
    pub(super) fn rooms(&self, id: u64) -> Option<&[u64]> {
        Some(&self.by_id.get(position(id)?)?.rooms)
    }

    /// Notes that the user, who exists, has become a member of a room.
    pub(super) fn joined(&mut self, id: u64, room_id: u64) {
        let at = position(id).expect("a member is a user");
        self.by_id[at].rooms.push(room_id);
    }
}

/// Where the thing with this id stands: ids count from 1.
pub(super) fn position(id: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(1)?).ok()
}
