//! Whether the search merges only what goes the same way: replicas with one fingerprint, worlds
//! with one print (which differ in who is who), and worlds that differ in spent letters alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use stateright::Model;
use telegraft_cluster::raft::NodeId;

use crate::bounds::Bounds;
use crate::explorer::Explorer;
use crate::input::Input;
use crate::letter::Letter;
use crate::names::{MAX_NAMINGS, mix};
use crate::replica::{Outcome, Replica};
use crate::view::place;
use crate::world::{Action, World};

/// Bounds of every kind, too large to be searched here to their ends.
fn many_bounds() -> Vec<Bounds> {
    let all = Bounds {
        commands: 2,
        crashes: 2,
        heartbeats: 2,
        losses: 2,
        transfers: 1,
        ..Bounds::new(3, 3)
    };
    vec![
        all,
        Bounds {
            every_message: true,
            single_entries: true,
            ..all
        },
        Bounds {
            duplicates: Some(2),
            ..all
        },
        Bounds {
            heartbeats: 0,
            duplicates: Some(2),
            reads: 2,
            ..all
        },
    ]
}

/// A walk of steps that are drawn from a seed, from the start until it cannot go on, or is long.
struct Walk<'e> {
    explorer: &'e Explorer,
    world: World,
    draw: u64,
    left: usize,
}

/// More steps than nearly any walk needs to use its bounds up.
const LONGEST_WALK: usize = 150;

impl<'e> Walk<'e> {
    fn new(explorer: &'e Explorer, seed: u64) -> Self {
        Walk {
            explorer,
            world: explorer.init_states().remove(0),
            draw: mix(seed),
            left: LONGEST_WALK,
        }
    }
}

impl Iterator for Walk<'_> {
    /// The world before, what happened, and the world after.
    type Item = (World, Action, World);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut actions = Vec::new();
        self.explorer.actions(&self.world, &mut actions);
        while !actions.is_empty() {
            self.draw = mix(self.draw);
            let drawn = usize::try_from(self.draw % actions.len() as u64).expect("it is small");
            let action = actions.swap_remove(drawn);
            if let Some(after) = self.explorer.next_state(&self.world, action) {
                assert!(after.broken.is_none(), "{action:?}: {:?}", after.broken);
                let before = std::mem::replace(&mut self.world, after.clone());
                return Some((before, action, after));
            }
        }
        None
    }
}

/// To which replica an action happens, and what.
fn input_of(explorer: &Explorer, action: Action) -> (usize, Input) {
    match action {
        Action::Happen(at, input) => (at.into(), input),
        Action::Deliver(letter) | Action::Duplicate(letter) => {
            let to = explorer.letters.get(letter).to;
            (place(to), Input::Deliver(letter))
        }
        Action::Lose(letter) => {
            let letter = explorer.letters.get(letter);
            let to = u8::try_from(letter.to).expect("ids are small");
            (place(letter.from), Input::LoseTo(to))
        }
    }
}

/// Cores that go all the way by themselves, each with its own clock and batch numbers, do at each
/// step what the search has remembered of another with the same fingerprint.
#[test]
fn replicas_with_one_fingerprint_go_the_same_way() {
    for bounds in many_bounds() {
        let explorer = Explorer::new(bounds, None).expect("the bounds are fine");
        let mut steps = 0;
        for seed in 0..400 {
            let ids = 1..=bounds.nodes as NodeId;
            let mut own: Vec<Replica> = ids
                .map(|id| Replica::fresh(id, &bounds, &explorer.namings))
                .collect();
            for (before, action, _) in Walk::new(&explorer, seed) {
                let (at, input) = input_of(&explorer, action);
                let Outcome::Went {
                    next,
                    sent,
                    answered,
                    ..
                } = explorer.outcome(before.replicas[at], input)
                else {
                    unreachable!("the walk went on");
                };
                let letter = match input {
                    Input::Deliver(letter) => Some(explorer.letters.get(letter)),
                    _ => None,
                };
                let step = own[at].step(input, letter, &bounds, &explorer.namings);
                let step = step.expect("no rule was broken by the other");
                let identity = explorer.replicas.get(*next).identity(&bounds);
                assert_eq!(
                    step.replica.identity(&bounds),
                    identity,
                    "{bounds}, seed {seed}, {action:?}"
                );
                let letters: BTreeSet<u32> = step
                    .sent
                    .iter()
                    .map(|envelope| {
                        let (from, to) = (own[at].id(), envelope.to);
                        let message = &envelope.message;
                        let (hash, _) =
                            Letter::hashes(from, to, message, &bounds, &explorer.namings);
                        let unknown = || panic!("{bounds}, seed {seed}: {message:?} is new");
                        explorer.letters.number_of(hash, unknown)
                    })
                    .collect();
                let remembered: BTreeSet<u32> = sent.iter().copied().collect();
                assert_eq!(letters, remembered, "{bounds}, seed {seed}, {action:?}");
                assert_eq!(step.answered[..], answered[..], "{bounds}, seed {seed}");
                own[at] = step.replica;
                steps += 1;
            }
        }
        // Otherwise nothing was remembered.
        let replicas = explorer.replicas.len();
        assert!(
            steps > 2 * replicas,
            "{bounds}: {steps} steps, {replicas} replicas"
        );
    }
}

/// The prints of all that a world leads to.
fn successors(explorer: &Explorer, world: &World) -> BTreeSet<u64> {
    let mut actions = Vec::new();
    explorer.actions(world, &mut actions);
    let next = actions.into_iter();
    next.filter_map(|action| explorer.next_state(world, action))
        .map(|next| next.print)
        .collect()
}

#[test]
fn worlds_with_one_print_lead_to_the_same() {
    for bounds in many_bounds() {
        let explorer = Explorer::new(bounds, None).expect("the bounds are fine");
        let mut known: HashMap<u64, (World, BTreeSet<u64>)> = HashMap::new();
        let mut compared = 0;
        for seed in 0..300 {
            for (_, action, world) in Walk::new(&explorer, seed) {
                let Some((other, lead_to)) = known.get(&world.print) else {
                    let lead_to = successors(&explorer, &world);
                    known.insert(world.print, (world, lead_to));
                    continue;
                };
                if (other.replicas, &other.network) != (world.replicas, &world.network) {
                    let lead_to_here = successors(&explorer, &world);
                    assert_eq!(*lead_to, lead_to_here, "{bounds}, seed {seed}, {action:?}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 300, "{bounds}: {compared} worlds were compared");
    }
}

/// All that replicas come to together, with whatever on its way or held back.
///
/// A letter that is spent may still drive out a message that is held back: one of a kind waits for
/// each peer. That message is lost, as any may be that is on its way. So those are left out too.
fn without_letters(bounds: Bounds, keeps_spent: bool) -> (usize, HashSet<u64>) {
    let mut explorer = Explorer::new(bounds, None).expect("the bounds are fine");
    explorer.keeps_spent = keeps_spent;
    let print = |world: &World| {
        let replicas = world.replicas.map(|replica| {
            let replica = explorer.replicas.get(replica);
            replica.prints_without_held(&bounds, &explorer.namings)
        });
        explorer.print(world, replicas.each_ref(), &[0; MAX_NAMINGS])
    };
    let mut open = explorer.init_states();
    let mut seen: HashSet<u64> = open.iter().map(|world| world.print).collect();
    let mut found = HashSet::new();
    while let Some(world) = open.pop() {
        found.insert(print(&world));
        let mut actions = Vec::new();
        explorer.actions(&world, &mut actions);
        for action in actions {
            if let Some(next) = explorer.next_state(&world, action)
                && seen.insert(next.print)
            {
                open.push(next);
            }
        }
    }
    (seen.len(), found)
}

/// Whether both searches, each to its end, come to the same.
fn spent_letters_change_nothing(bounds: Bounds) {
    let (all, with_spent) = without_letters(bounds, true);
    let (fewer, found) = without_letters(bounds, false);
    println!("{bounds}: {all} worlds, {fewer} without spent letters");
    // With crashes there may even be more: who has forgotten sends again.
    assert_ne!(fewer, all, "{bounds}: no letter was spent");
    let missed = with_spent.difference(&found).count();
    let more = found.difference(&with_spent).count();
    assert_eq!((missed, more), (0, 0), "{bounds}: of {}", with_spent.len());
}

#[test]
fn spent_letters_would_change_nothing() {
    let one_term = Bounds::new(2, 1);
    let two_terms = Bounds::new(2, 2);
    for bounds in [
        Bounds {
            commands: 1,
            crashes: 1,
            ..one_term
        },
        two_terms,
        Bounds {
            commands: 1,
            crashes: 1,
            ..two_terms
        },
        Bounds {
            crashes: 1,
            duplicates: Some(1),
            ..two_terms
        },
        Bounds {
            reads: 1,
            duplicates: Some(0),
            ..two_terms
        },
        Bounds {
            crashes: 1,
            ..Bounds::new(3, 1)
        },
    ] {
        spent_letters_change_nothing(bounds);
    }
}

#[test]
fn spent_letters_among_every_message_would_change_nothing() {
    spent_letters_change_nothing(Bounds {
        every_message: true,
        ..Bounds::new(2, 2)
    });
}
