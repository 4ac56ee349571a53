//! Who is there: users, rooms, and who is a member where.

use super::stream;
use crate::draw::{Draws, Hot, Zipf};
use crate::suite::{Popularity, Population};

/// Tries to draw a room that a user is not a member of yet, before the next free one is taken.
const REDRAWS: usize = 64;

/// Lists of numbers, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lists {
    /// Where each begins, and at last where the last ends.
    starts: Vec<usize>,
    items: Vec<u32>,
}

impl Lists {
    fn new(lists: impl Iterator<Item = Vec<u32>>) -> Self {
        let mut all = Lists {
            starts: vec![0],
            items: Vec::new(),
        };
        for list in lists {
            all.items.extend_from_slice(&list);
            all.starts.push(all.items.len());
        }
        all
    }

    fn get(&self, nth: u32) -> &[u32] {
        let nth = nth as usize;
        &self.items[self.starts[nth]..self.starts[nth + 1]]
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// A population: users and rooms by their places, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// By user, in order.
    rooms: Lists,
    /// By room, in order.
    members: Lists,
    /// By room.
    creators: Vec<u32>,
    /// Messages in each room before the load begins.
    prefill: usize,
}

impl People {
    /// The population that a workload describes.
    ///
    /// # Errors
    /// When room sizes cannot be drawn.
    pub fn new(population: &Population, seed: u64) -> Result<Self, String> {
        let users = number(population.users);
        let rooms = population.rooms;
        let each = population.rooms_per_user;
        let of_user: Vec<Vec<u32>> = match population.room_sizes {
            // As evenly as it goes, and without luck: nothing is drawn.
            Popularity::Uniform | Popularity::Latest(_) => (0..population.users)
                .map(|user| {
                    let own = user * each..(user + 1) * each;
                    own.map(|nth| number(nth % rooms)).collect()
                })
                .collect(),
            Popularity::Zipf(exponent) => {
                let zipf = Zipf::new(rooms, exponent)?;
                (0..users)
                    .map(|user| drawn(population, seed, user, |draws| zipf.rank(draws)))
                    .collect()
            }
            Popularity::Hot { rooms: hot, share } => {
                let hot = Hot::new(rooms, hot, share)?;
                (0..users)
                    .map(|user| drawn(population, seed, user, |draws| hot.pick(draws)))
                    .collect()
            }
        };
        Ok(Self::from_memberships(of_user, rooms, population.prefill))
    }

    /// Users with these rooms each, of `rooms` in all. A room without a member gets the first
    /// user.
    pub fn from_memberships(mut of_user: Vec<Vec<u32>>, rooms: usize, prefill: usize) -> Self {
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); rooms];
        for (user, rooms) in (0..).zip(&mut of_user) {
            rooms.sort_unstable();
            rooms.dedup();
            for room in rooms {
                members[*room as usize].push(user);
            }
        }
        for (room, members) in (0..).zip(&mut members) {
            if members.is_empty() {
                members.push(0);
                let of_first = &mut of_user[0];
                let at = of_first.partition_point(|other| *other < room);
                of_first.insert(at, room);
            }
        }
        People {
            creators: members.iter().map(|members| members[0]).collect(),
            rooms: Lists::new(of_user.into_iter()),
            members: Lists::new(members.into_iter()),
            prefill,
        }
    }

    /// How many users there are.
    pub fn users(&self) -> usize {
        self.rooms.len()
    }

    /// How many rooms there are.
    pub fn rooms(&self) -> usize {
        self.members.len()
    }

    /// The rooms of a user, in order.
    pub fn rooms_of(&self, user: u32) -> &[u32] {
        self.rooms.get(user)
    }

    /// The members of a room, in order: one at least.
    pub fn members_of(&self, room: u32) -> &[u32] {
        self.members.get(room)
    }

    /// Who creates a room, and sends what it begins with: a member.
    pub fn creator(&self, room: u32) -> u32 {
        self.creators[room as usize]
    }

    /// Messages in each room before the load begins.
    pub fn prefill(&self) -> usize {
        self.prefill
    }
}

/// The rooms of a user, drawn without putting back. So that none is empty, the first ones are
/// dealt out.
fn drawn(
    population: &Population,
    seed: u64,
    user: u32,
    mut draw: impl FnMut(&mut Draws) -> usize,
) -> Vec<u32> {
    let Population {
        users,
        rooms,
        rooms_per_user,
        ..
    } = *population;
    let mut draws = Draws::new(seed, stream::MEMBERS, u64::from(user));
    let mut own: Vec<u32> = (user as usize..rooms).step_by(users).map(number).collect();
    while own.len() < rooms_per_user {
        let free = |room: &u32| !own.contains(room);
        let room = (0..REDRAWS)
            .map(|_| number(draw(&mut draws)))
            .find(free)
            .or_else(|| (0..number(rooms)).find(free));
        own.push(room.expect("a user has no more rooms than there are"));
    }
    own
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("populations are bounded")
}
