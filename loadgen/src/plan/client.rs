//! What one client of a closed loop does, one step after the other.

use std::time::Duration;

use super::{Mix, Step, stream};
use crate::draw::Draws;
use crate::suite::Think;

/// The plan of one client.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    seed: u64,
    client: u64,
    clients: u64,
    think: Think,
    mix: Mix,
    /// The next step's number.
    nth: u64,
}

impl ClientPlan {
    /// The plan of `client`, one of `clients`.
    pub fn new(seed: u64, client: usize, clients: usize, think: Think, mix: Mix) -> Self {
        ClientPlan {
            seed,
            client: client as u64,
            clients: clients as u64,
            think,
            mix,
            nth: 0,
        }
    }

    /// How long the client thinks before its next step.
    pub fn think(&self) -> Duration {
        let draws = || Draws::new(self.seed, stream::THINKING + self.client, self.nth);
        match self.think {
            Think::None => Duration::ZERO,
            Think::Fixed(time) => time,
            Think::Uniform(least, most) => {
                least + most.saturating_sub(least).mul_f64(draws().unit())
            }
            Think::Exponential(mean) => mean.mul_f64(draws().exponential()),
        }
    }

    /// The next step, begun at `now_ns`.
    pub fn next(&mut self, now_ns: u64) -> Step {
        let nth = self.nth;
        self.nth += 1;
        let mut draws = Draws::new(self.seed, stream::CLIENTS + self.client, nth);
        if !self.mix.is_in_turn() {
            return self.mix.drawn(now_ns, &mut draws);
        }
        // A client acts for one of its users after the other, for each through all turns.
        let (turn, round) = (nth % self.turns(), nth / self.turns());
        let users = self.mix.people().users() as u64;
        let own = users
            .saturating_sub(self.client)
            .div_ceil(self.clients)
            .max(1);
        let user = (self.client + round % own * self.clients) % users;
        let user = u32::try_from(user).expect("populations are bounded");
        self.mix.in_turn(now_ns, turn, user, &mut draws)
    }

    fn turns(&self) -> u64 {
        self.mix.turns() as u64
    }
}
