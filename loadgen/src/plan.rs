//! What each client will do: a function of the seed alone, not of how fast anything goes.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::suite::{Operations, Population};

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Sends a message.
    Send,
    /// Reads a page of a room.
    Read,
    /// Reads what is new in a user's rooms.
    Inbox,
}

impl Kind {
    /// Every kind; a kind's place in it is [`Kind::index`].
    pub const ALL: [Kind; 3] = [Kind::Send, Kind::Read, Kind::Inbox];

    /// Its name in result files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Send => "send",
            Kind::Read => "read",
            Kind::Inbox => "inbox",
        }
    }

    /// Its place in [`Kind::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The kinds that a workload has.
    pub fn of(operations: &Operations) -> Vec<Kind> {
        let has = |kind: &Kind| weight(operations, *kind) > 0;
        Kind::ALL.into_iter().filter(has).collect()
    }
}

fn weight(operations: &Operations, kind: Kind) -> u32 {
    match kind {
        Kind::Send => operations.send.map_or(0, |send| send.weight),
        Kind::Read => operations.read.map_or(0, |read| read.weight),
        Kind::Inbox => operations.inbox.map_or(0, |inbox| inbox.weight),
    }
}

/// The rooms of a user, as places among the rooms. Every room has members, as evenly as it goes.
pub fn rooms_of(population: &Population, user: usize) -> impl Iterator<Item = usize> + use<> {
    let Population {
        rooms,
        rooms_per_user,
        ..
    } = *population;
    (0..rooms_per_user).map(move |nth| (user * rooms_per_user + nth) % rooms)
}

/// A member of a room that creates it, and sends what it begins with.
pub fn creator(population: &Population, room: usize) -> usize {
    // The first users fill the rooms one by one, and there are enough of them (the suite checks).
    room / population.rooms_per_user
}

/// One operation. Users and rooms are places in the population.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub kind: Kind,
    /// By whom.
    pub user: usize,
    /// In which of the user's rooms (an inbox is all of them).
    pub room: usize,
}

/// What one client does, one step after the other.
#[derive(Debug)]
pub struct Plan {
    rng: StdRng,
    population: Population,
    /// The users that this client acts for.
    users: Vec<usize>,
    /// Kinds with the sum of the weights up to each.
    weights: Vec<(u32, Kind)>,
    total: u32,
}

impl Plan {
    /// The plan of `client`, one of `clients`.
    pub fn new(
        seed: u64,
        client: usize,
        clients: usize,
        population: &Population,
        operations: &Operations,
    ) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&(client as u64).to_le_bytes());
        let own: Vec<usize> = (client..population.users).step_by(clients).collect();
        let users = if own.is_empty() {
            vec![client % population.users]
        } else {
            own
        };
        let mut total = 0;
        let mut weights = Vec::new();
        for kind in Kind::of(operations) {
            total += weight(operations, kind);
            weights.push((total, kind));
        }
        Plan {
            rng: StdRng::from_seed(bytes),
            population: *population,
            users,
            weights,
            total,
        }
    }

    /// The users that this client acts for.
    pub fn users(&self) -> &[usize] {
        &self.users
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        let drawn = self.rng.random_range(0..self.total);
        let kind = self
            .weights
            .iter()
            .find(|(up_to, _)| drawn < *up_to)
            .expect("the last weight is the total")
            .1;
        let user = self.users[self.rng.random_range(0..self.users.len())];
        let nth = self.rng.random_range(0..self.population.rooms_per_user);
        let room = rooms_of(&self.population, user)
            .nth(nth)
            .expect("nth is below the number of the user's rooms");
        Step { kind, user, room }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::suite::{Inbox, Read, ReadPage, Send};

    const POPULATION: Population = Population {
        users: 10,
        rooms: 7,
        rooms_per_user: 3,
        prefill: 0,
    };
    const OPERATIONS: Operations = Operations {
        send: Some(Send { weight: 1 }),
        read: Some(Read {
            weight: 6,
            page: ReadPage::Latest,
            limit: 20,
        }),
        inbox: Some(Inbox {
            weight: 3,
            limit: 20,
        }),
    };

    fn steps(seed: u64, client: usize, clients: usize) -> Vec<Step> {
        let mut plan = Plan::new(seed, client, clients, &POPULATION, &OPERATIONS);
        (0..2_000).map(|_| plan.step()).collect()
    }

    #[test]
    fn a_plan_follows_from_seed_and_client_alone() {
        assert_eq!(steps(7, 3, 4), steps(7, 3, 4));
        assert_ne!(steps(7, 3, 4), steps(8, 3, 4));
        assert_ne!(steps(7, 3, 20), steps(7, 13, 20), "two clients of one user");
    }

    #[test]
    fn weights_and_memberships_are_kept() {
        let steps = steps(1, 1, 4);
        let share = |kind| steps.iter().filter(|step| step.kind == kind).count();
        assert!((120..280).contains(&share(Kind::Send)), "of 2000, 10 %");
        assert!((1_100..1_300).contains(&share(Kind::Read)), "60 %");
        let users: BTreeSet<usize> = steps.iter().map(|step| step.user).collect();
        assert_eq!(users.into_iter().collect::<Vec<_>>(), [1, 5, 9]);
        for step in &steps {
            assert!(rooms_of(&POPULATION, step.user).any(|room| room == step.room));
        }
    }

    #[test]
    fn every_room_has_members_and_its_creator_is_one() {
        for room in 0..POPULATION.rooms {
            let creator = creator(&POPULATION, room);
            assert!(creator < POPULATION.users);
            assert!(rooms_of(&POPULATION, creator).any(|other| other == room));
        }
        for user in 0..POPULATION.users {
            let rooms: BTreeSet<usize> = rooms_of(&POPULATION, user).collect();
            assert_eq!(rooms.len(), POPULATION.rooms_per_user);
        }
    }
}
