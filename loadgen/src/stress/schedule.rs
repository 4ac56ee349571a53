//! When which fault happens: drawn from a seed, so that a run can be made again.
//!
//! First comes each kind that was asked for, in an order that is drawn, then what the weights
//! give. After a storm of some faults there is a quiet window. Whom a fault hits is told by role;
//! which replica that was is known only when it happens.

mod variants;

use std::fmt;
use std::time::Duration;

use super::fault::{Action, FaultKind, Style, Whom};
use crate::draw::Draws;
use crate::values::duration_text;
use variants::{Variant, variants};

/// Before the first fault: everyone has begun.
const LEAD: Duration = Duration::from_secs(1);
/// After the last one.
const TAIL: Duration = Duration::from_secs(1);
/// From the beginning of a fault to that of the next.
const GAP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// The same where there is no time for more: after the end of all others.
const SHORTEST_GAP: Duration = Duration::from_millis(500);
/// Faults that go on at once, at most.
pub(super) const MAX_AT_ONCE: usize = 3;
/// Faults of a storm: at least, and so many more.
const STORM: (u64, u64) = (4, 6);
/// How long nothing goes on after one: an election and some progress.
const QUIET: (Duration, Duration) = (Duration::from_millis(2_000), Duration::from_millis(4_000));
/// From the end of a full disk to the next one: each costs two segments on every replica.
const BETWEEN_FULL_DISKS: Duration = Duration::from_secs(45);
/// The stream of draws that schedules are made from.
const STREAM: u64 = 0x5c4e_d01e;

/// What a schedule is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it is drawn from.
    pub seed: u64,
    /// How long the load goes on.
    pub duration: Duration,
    /// How many replicas there are.
    pub replicas: usize,
    /// What is to happen.
    pub kinds: Vec<FaultKind>,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// From the beginning of the load.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What is done.
    pub action: Action,
    /// What the choice among several replicas is drawn from.
    pub draw: u64,
}

impl Fault {
    /// When it is over.
    pub fn ends(&self) -> Duration {
        self.at + self.lasts
    }
}

/// All faults of a run, in the order in which they begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// How long the load goes on.
    pub duration: Duration,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// The kinds that a cluster of so many replicas can have: one alone has no links.
pub(super) fn possible(kind: FaultKind, replicas: usize) -> bool {
    replicas > 1 || !kind.is_of_links()
}

/// The shortest run in which each of the kinds happens.
pub fn shortest(kinds: &[FaultKind]) -> Duration {
    let each = kinds.iter().map(|kind| kind.lengths().0 + SHORTEST_GAP);
    LEAD + each.sum::<Duration>() + TAIL
}

impl Schedule {
    /// Draws one.
    ///
    /// # Errors
    /// The run is too short for each kind to happen; what it takes.
    pub fn draw(request: &Request) -> Result<Schedule, String> {
        let least = shortest(&request.kinds);
        if request.duration < least {
            let kinds: Vec<&str> = request.kinds.iter().map(|kind| kind.name()).collect();
            return Err(format!(
                "a run of {} is too short for each of {} to happen: it takes {} at least",
                duration_text(request.duration),
                kinds.join(", "),
                duration_text(least)
            ));
        }
        let mut maker = Maker {
            draws: Draws::new(request.seed, STREAM, 0),
            replicas: request.replicas,
            end: request.duration - TAIL,
            faults: Vec::new(),
            bags: Vec::new(),
            left_of_storm: 0,
        };
        maker.left_of_storm = maker.storm();
        let mut order = request.kinds.clone();
        maker.draws.shuffle(&mut order);
        for (nth, kind) in order.iter().enumerate() {
            let rest = order[nth + 1..].iter();
            let rest = rest.map(|kind| kind.lengths().0 + SHORTEST_GAP).sum();
            let placed = maker.place(*kind, rest);
            assert!(placed, "the shortest length leaves room for each kind");
        }
        while let Some(kind) = maker.next_kind(&request.kinds) {
            if !maker.place(kind, Duration::ZERO) {
                break;
            }
        }
        Ok(Schedule {
            duration: request.duration,
            faults: maker.faults,
        })
    }
}

impl Schedule {
    /// Makes partitions that nobody is told of of all of them.
    pub(super) fn cut_in_silence(&mut self) {
        for fault in &mut self.faults {
            if let Action::Partition { style, .. } = &mut fault.action {
                *style = Style::Silent;
            }
        }
    }
}

/// How often each kind comes, beyond the first time.
fn weight(kind: FaultKind) -> u64 {
    match kind {
        FaultKind::Partition => 5,
        FaultKind::Kill | FaultKind::Pause => 4,
        FaultKind::DiskFull => 1,
        _ => 2,
    }
}

struct Maker {
    draws: Draws,
    replicas: usize,
    /// By then all is over.
    end: Duration,
    faults: Vec<Fault>,
    /// Of each kind the variants that were not drawn since it began anew: each comes once
    /// before one comes again.
    bags: Vec<(FaultKind, Vec<Variant>)>,
    left_of_storm: u64,
}

impl Maker {
    fn storm(&mut self) -> u64 {
        STORM.0 + self.draws.below(STORM.1 + 1)
    }

    /// Even between two times, in milliseconds.
    fn between(&mut self, (from, to): (Duration, Duration)) -> Duration {
        let millis = to.saturating_sub(from).as_millis();
        let millis = u64::try_from(millis).expect("runs are bounded");
        from + Duration::from_millis(self.draws.below(millis + 1))
    }

    /// Which kind comes now that each has come; none where none may.
    fn next_kind(&mut self, kinds: &[FaultKind]) -> Option<FaultKind> {
        let disk_may = |maker: &Self| {
            let fulls = maker.faults.iter();
            let mut fulls = fulls.filter(|fault| fault.action.kind() == FaultKind::DiskFull);
            let after = fulls
                .next_back()
                .map_or(Duration::ZERO, |full| full.ends() + BETWEEN_FULL_DISKS);
            maker.busy_until() >= after
        };
        let disk_may = disk_may(self);
        let kinds: Vec<FaultKind> = kinds
            .iter()
            .copied()
            .filter(|kind| *kind != FaultKind::DiskFull || disk_may)
            .collect();
        let sum: u64 = kinds.iter().map(|kind| weight(*kind)).sum();
        if sum == 0 {
            return None;
        }
        let mut drawn = self.draws.below(sum);
        kinds.into_iter().find(|kind| {
            let weight = weight(*kind);
            let found = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            found
        })
    }

    /// When all faults so far are over.
    fn busy_until(&self) -> Duration {
        let ends = self.faults.iter().map(Fault::ends);
        ends.max().unwrap_or(Duration::ZERO)
    }

    /// Adds a fault, so that `rest` of the time is left after it. False where it cannot be.
    fn place(&mut self, kind: FaultKind, rest: Duration) -> bool {
        let (shortest, longest) = kind.lengths();
        let action = self.action(kind);
        let busy_until = self.busy_until();
        let (gap, quiet) = (self.between(GAP), self.between(QUIET));
        let over = |start: Duration| (start + shortest).max(busy_until) + rest;
        let mut start = match self.faults.last() {
            None => LEAD,
            Some(_) if self.left_of_storm == 0 => busy_until + quiet,
            Some(before) => self.first_fit(&action, before.at + gap),
        };
        if over(start) > self.end {
            // No quiet window and no chance: as soon as all others are over.
            start = start.min(busy_until.max(LEAD) + SHORTEST_GAP);
        }
        let Some(slack) = self.end.checked_sub(over(start)) else {
            return false;
        };
        if self.left_of_storm == 0 {
            self.left_of_storm = self.storm();
        }
        self.left_of_storm -= 1;
        let lasts = self.between((shortest, longest.min(shortest + slack)));
        let draw = self.draws.u64();
        self.faults.push(Fault {
            at: start,
            lasts,
            action,
            draw,
        });
        true
    }

    /// The first moment from `start` on at which `action` may begin beside what goes on.
    fn first_fit(&self, action: &Action, mut start: Duration) -> Duration {
        loop {
            let going: Vec<&Fault> = self.faults.iter().filter(|f| f.ends() > start).collect();
            if fits(
                going.iter().map(|fault| &fault.action),
                action,
                self.replicas,
            ) {
                return start;
            }
            let ends = going.iter().map(|fault| fault.ends());
            start = ends
                .min()
                .expect("what does not fit has something beside it");
        }
    }

    fn action(&mut self, kind: FaultKind) -> Action {
        let variant = self.variant(kind);
        let style = match self.draws.below(2) {
            0 => Style::Reset,
            _ => Style::Silent,
        };
        let share = |draws: &mut Draws, from: u64, to: u64| {
            // In whole per cent, so that what is printed is what is done.
            (from + draws.below(to - from + 1)) as f64 / 100.0
        };
        let draws = &mut self.draws;
        match (kind, variant) {
            (FaultKind::Kill, Variant::Of(whom)) => Action::Kill(whom),
            (FaultKind::Pause, Variant::Of(whom)) => Action::Pause(whom),
            (FaultKind::Restart, Variant::Of(whom)) => Action::Restart(whom),
            (FaultKind::DiskFull, Variant::Of(whom)) => Action::DiskFull(whom),
            (FaultKind::Partition, Variant::Cut(shape)) => Action::Partition { shape, style },
            (FaultKind::Delay, Variant::On(on)) => {
                let millis = 5 + draws.below(116);
                Action::Delay {
                    on,
                    delay: Duration::from_millis(millis),
                    jitter: Duration::from_millis(draws.below(millis + 1)),
                }
            }
            (FaultKind::Throttle, Variant::On(on)) => Action::Throttle {
                on,
                bytes_per_s: (8 + draws.below(121)) << 10,
            },
            (FaultKind::Loss, Variant::On(on)) => Action::Loss {
                on,
                share: share(draws, 5, 30),
            },
            (FaultKind::Duplicate, Variant::On(on)) => Action::Duplicate {
                on,
                share: share(draws, 10, 50),
            },
            (FaultKind::Reorder, Variant::On(on)) => Action::Reorder {
                on,
                share: share(draws, 10, 50),
            },
            _ => unreachable!("{kind} has no variant {variant:?}"),
        }
    }

    fn variant(&mut self, kind: FaultKind) -> Variant {
        let bag = match self.bags.iter().position(|(of, _)| *of == kind) {
            Some(bag) => bag,
            None => {
                self.bags.push((kind, Vec::new()));
                self.bags.len() - 1
            }
        };
        if self.bags[bag].1.is_empty() {
            let mut all = variants(kind, self.replicas);
            self.draws.shuffle(&mut all);
            self.bags[bag].1 = all;
        }
        let variant = self.bags[bag].1.pop();
        variant.expect("each kind has a variant for any number of replicas")
    }
}

/// What may go on at the same time: one of each kind, and of what stops replicas so many that a
/// majority is left, or one fault that stops more. A full disk has the cluster for itself: it
/// takes a load to fill it.
pub(super) fn fits<'a>(
    going: impl IntoIterator<Item = &'a Action>,
    new: &Action,
    replicas: usize,
) -> bool {
    let stops = |action: &Action| match action {
        Action::Kill(whom) | Action::Pause(whom) | Action::Restart(whom) => match whom {
            Whom::Leader | Whom::Follower => 1,
            Whom::Minority | Whom::Majority | Whom::All => replicas,
        },
        _ => 0,
    };
    let few = ((replicas - 1) / 2).max(1);
    let (mut count, mut stopped) = (0, 0);
    for action in going {
        let alone = |action: &Action| matches!(action, Action::DiskFull(_));
        if alone(action) || alone(new) || action.kind() == new.kind() {
            return false;
        }
        count += 1;
        stopped += stops(action);
    }
    let more = stops(new);
    count < MAX_AT_ONCE && (more == 0 || stopped == 0 || stopped + more <= few)
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            let at = fault.at.as_secs_f64();
            let lasts = fault.lasts.as_secs_f64();
            writeln!(f, "{at:9.3} s  for {lasts:6.3} s  {}", fault.action)?;
        }
        let over = self.duration.as_secs_f64();
        write!(f, "{over:9.3} s  everything is healed")
    }
}
