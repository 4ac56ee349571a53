//! What an operation is, once it is known that there is one.

use std::sync::Arc;

use super::{Kind, NO_ROOM, People, Step};
use crate::body::MIN_BYTES;
use crate::draw::{Draws, Hot, Recency, Sizes as SizeDraw, Weighted, Zipf};
use crate::suite::{Popularity, ReadPage, Sizes, Workload};

/// How rooms are drawn.
#[derive(Clone, Debug)]
enum Rooms {
    Uniform(usize),
    Zipf(Arc<Zipf>),
    Hot(Hot),
    Latest(Recency),
}

/// Draws operations as a workload mixes them. It has a state only where rooms are drawn by how
/// recently they were.
#[derive(Clone, Debug)]
pub struct Mix {
    people: Arc<People>,
    kinds: Arc<[Kind]>,
    /// Which of `kinds`, unless they come in turn.
    weights: Option<Arc<Weighted>>,
    rooms: Rooms,
    sizes: Arc<SizeDraw>,
    read_limit: u32,
    read_latest: bool,
    inbox_limit: u32,
}

impl Mix {
    /// What `workload` does, among `people`.
    ///
    /// # Errors
    /// When a distribution cannot be drawn from.
    pub fn new(workload: &Workload, people: &Arc<People>) -> Result<Self, String> {
        let operations = &workload.operations;
        let in_turn = !operations.sequence.is_empty();
        let weighted: Vec<(Kind, f64)> = [
            (Kind::Send, operations.send.map(|send| send.weight)),
            (Kind::Read, operations.read.map(|read| read.weight)),
            (Kind::Inbox, operations.inbox.map(|inbox| inbox.weight)),
            (Kind::Join, operations.join.map(|join| join.weight)),
            (
                Kind::CreateRoom,
                operations.create_room.map(|room| room.weight),
            ),
        ]
        .into_iter()
        .filter_map(|(kind, weight)| Some((kind, f64::from(weight?))))
        .collect();
        let count = people.rooms();
        Ok(Mix {
            people: Arc::clone(people),
            kinds: if in_turn {
                operations.sequence.clone().into()
            } else {
                weighted.iter().map(|(kind, _)| *kind).collect()
            },
            weights: if in_turn || weighted.is_empty() {
                None
            } else {
                let weights: Vec<f64> = weighted.iter().map(|(_, weight)| *weight).collect();
                Some(Arc::new(Weighted::new(&weights)?))
            },
            rooms: match workload.population.popularity {
                Popularity::Uniform => Rooms::Uniform(count),
                Popularity::Zipf(exponent) => Rooms::Zipf(Arc::new(Zipf::new(count, exponent)?)),
                Popularity::Hot { rooms, share } => Rooms::Hot(Hot::new(count, rooms, share)?),
                Popularity::Latest(exponent) => Rooms::Latest(Recency::new(count, exponent)?),
            },
            sizes: Arc::new(match &workload.message_bytes {
                Sizes::Fixed(bytes) => SizeDraw::uniform(*bytes, *bytes)?,
                Sizes::Uniform(least, most) => SizeDraw::uniform(*least, *most)?,
                Sizes::LogNormal { median, sigma, max } => {
                    SizeDraw::log_normal(*median as f64, *sigma, MIN_BYTES, *max)?
                }
                Sizes::Table(table) => SizeDraw::table(table)?,
            }),
            read_limit: number(operations.read.map_or(0, |read| read.limit)),
            read_latest: operations
                .read
                .is_some_and(|read| read.page == ReadPage::Latest),
            inbox_limit: number(operations.inbox.map_or(0, |inbox| inbox.limit)),
        })
    }

    /// An operation with all that belongs to it drawn: what by weight, then the room by
    /// popularity, then who among its members.
    pub fn drawn(&mut self, due_ns: u64, draws: &mut Draws) -> Step {
        let weights = self.weights.as_ref();
        let nth = weights
            .expect("operations in turn are not drawn")
            .pick(draws);
        let kind = self.kinds[nth];
        let (user, room) = match kind {
            Kind::Send | Kind::Read => {
                let room = self.room(draws);
                let members = self.people.members_of(room);
                (members[draws.place(members.len())], room)
            }
            Kind::Join => (self.user(draws), self.room(draws)),
            Kind::Inbox | Kind::CreateRoom => (self.user(draws), NO_ROOM),
        };
        self.step(due_ns, kind, user, room, draws)
    }

    /// The `nth` operation of a user who does them in turn, in one of its rooms.
    pub fn in_turn(&mut self, due_ns: u64, nth: u64, user: u32, draws: &mut Draws) -> Step {
        let of = self.kinds.len() as u64;
        let kind = self.kinds[usize::try_from(nth % of).expect("below a usize")];
        let room = match kind {
            Kind::Send | Kind::Read => {
                let own = self.people.rooms_of(user);
                own[draws.place(own.len())]
            }
            Kind::Join => self.room(draws),
            Kind::Inbox | Kind::CreateRoom => NO_ROOM,
        };
        self.step(due_ns, kind, user, room, draws)
    }

    /// Whether operations come in turn; else they are drawn.
    pub fn is_in_turn(&self) -> bool {
        self.weights.is_none() && !self.kinds.is_empty()
    }

    /// How many operations come in turn.
    pub fn turns(&self) -> usize {
        self.kinds.len()
    }

    /// Who is there.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    fn step(&self, due_ns: u64, kind: Kind, user: u32, room: u32, draws: &mut Draws) -> Step {
        Step {
            due_ns,
            kind,
            user,
            room,
            size: match kind {
                Kind::Send => number(self.sizes.size(draws)),
                Kind::Read => self.read_limit,
                Kind::Inbox => self.inbox_limit,
                Kind::Join | Kind::CreateRoom => 0,
            },
            latest: kind == Kind::Read && self.read_latest,
        }
    }

    fn user(&self, draws: &mut Draws) -> u32 {
        number(draws.place(self.people.users()))
    }

    fn room(&mut self, draws: &mut Draws) -> u32 {
        number(match &mut self.rooms {
            Rooms::Uniform(count) => draws.place(*count),
            Rooms::Zipf(zipf) => zipf.rank(draws),
            Rooms::Hot(hot) => hot.pick(draws),
            Rooms::Latest(recency) => recency.room(draws),
        })
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).expect("sizes and populations are bounded")
}
