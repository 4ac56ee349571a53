//! The real core, asked once for each of its states and inputs.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use telegraft_cluster::known_bugs::KnownBug;

use crate::bounds::Bounds;
use crate::input::Input;
use crate::letter::Letter;
use crate::names::Namings;
use crate::replica::{Outcome, Replica};
use crate::sights::Sight;
use crate::table::Table;
use crate::view::View;
use crate::world::World;

/// The search's model: the real core, within bounds.
#[derive(Debug)]
pub struct Explorer {
    pub(crate) bounds: Bounds,
    /// What is switched on in every step.
    #[cfg(feature = "known-bugs")]
    bug: Option<KnownBug>,
    pub(crate) namings: Namings,
    pub(crate) replicas: Table<Replica>,
    pub(crate) letters: Table<Letter>,
    outcomes: Table<Outcome>,
    /// The search is to end.
    pub(crate) stopped: AtomicBool,
    /// States with more than [`MAX_WRITES`](crate::bounds::MAX_WRITES) open writes were left out.
    pub(crate) cut: AtomicBool,
    /// No letter counts as spent: the search that the one without them is held against.
    #[cfg(test)]
    pub(crate) keeps_spent: bool,
    /// A bit for each [`Sight`].
    sights: AtomicU32,
}

impl Explorer {
    /// An exploration within these bounds, of a core with a known bug switched on, or with none.
    ///
    /// # Errors
    /// The bounds are beyond what there is room for, or there are no known bugs to switch on in
    /// this build.
    pub fn new(bounds: Bounds, bug: Option<KnownBug>) -> Result<Self, String> {
        bounds.check()?;
        if cfg!(not(feature = "known-bugs"))
            && let Some(bug) = bug
        {
            return Err(format!("{bug} needs a build with the feature known-bugs"));
        }
        Ok(Explorer {
            bounds,
            #[cfg(feature = "known-bugs")]
            bug,
            namings: Namings::new(bounds.nodes),
            replicas: Table::default(),
            letters: Table::default(),
            outcomes: Table::default(),
            stopped: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            #[cfg(test)]
            keeps_spent: false,
            sights: AtomicU32::new(0),
        })
    }

    pub(crate) fn sights(&self) -> Vec<Sight> {
        let seen = self.sights.load(Ordering::Relaxed);
        let sights = Sight::ALL.iter().copied();
        sights.filter(|sight| seen & sight.bit() != 0).collect()
    }

    pub(crate) fn see(&self, sight: Sight) {
        // Mostly it has been seen: a look costs other threads nothing.
        if self.sights.load(Ordering::Relaxed) & sight.bit() == 0 {
            self.sights.fetch_or(sight.bit(), Ordering::Relaxed);
        }
    }

    pub(crate) fn view(&self, replica: u32) -> &View {
        &self.replicas.get(replica).view
    }

    pub(crate) fn last_term(&self) -> u8 {
        u8::try_from(self.bounds.terms).expect("bounds are small")
    }

    pub(crate) fn replica(&self, world: &World, at: usize) -> &Replica {
        self.replicas.get(world.replicas[at])
    }

    /// What comes of an input to a replica: found out with the real core the first time.
    pub(crate) fn outcome(&self, replica: u32, input: Input) -> &Outcome {
        let before = self.replicas.get(replica);
        let number = before.outcome(input, || {
            let outcome = self.run(before, input);
            let hash = u128::from(replica) << 64 | u128::from(input.code());
            self.outcomes.number_of(hash, || outcome)
        });
        self.outcomes.get(number)
    }

    fn run(&self, before: &Replica, input: Input) -> Outcome {
        let letter = match input {
            Input::Deliver(letter) => Some(self.letters.get(letter)),
            _ => None,
        };
        // The search's threads are not ours to set up.
        #[cfg(feature = "known-bugs")]
        telegraft_cluster::known_bugs::set_for_thread(self.bug);
        match before.step(input, letter, &self.bounds, &self.namings) {
            Ok(step) => {
                let from = before.id();
                let mut sent: Vec<u32> = step
                    .sent
                    .into_iter()
                    .map(|envelope| {
                        let (to, message) = (envelope.to, envelope.message);
                        let (identity, prints) =
                            Letter::hashes(from, to, &message, &self.bounds, &self.namings);
                        self.letters.number_of(identity, || Letter {
                            from,
                            to,
                            message,
                            prints,
                        })
                    })
                    .collect();
                sent.sort_unstable();
                sent.dedup();
                let replica = step.replica;
                Outcome::Went {
                    next: self
                        .replicas
                        .number_of(replica.identity(&self.bounds), || replica),
                    sent: sent.into(),
                    answered: step.answered.into(),
                    sights: step.sights.into(),
                }
            }
            Err((rule, text)) => Outcome::Broke { rule, text },
        }
    }
}
