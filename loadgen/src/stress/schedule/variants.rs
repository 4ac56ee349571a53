//! The variants of each kind of fault.

use crate::stress::fault::{FaultKind, Shape, Which, Whom};

/// What tells faults of one kind apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Variant {
    Of(Whom),
    Cut(Shape),
    On(Which),
}

/// What of a kind makes sense with so many replicas.
pub(super) fn variants(kind: FaultKind, replicas: usize) -> Vec<Variant> {
    let few = (replicas - 1) / 2;
    let whom = |all: &[Whom]| {
        let makes_sense = |whom: &Whom| match whom {
            Whom::Leader => true,
            Whom::Follower => replicas > 1,
            Whom::Minority => few > 1,
            Whom::Majority => replicas > 2,
            Whom::All => replicas > 1,
        };
        let all = all.iter().copied().filter(makes_sense);
        all.map(Variant::Of).collect()
    };
    match kind {
        FaultKind::Kill | FaultKind::Pause => whom(&[
            Whom::Leader,
            Whom::Follower,
            Whom::Minority,
            Whom::Majority,
            Whom::All,
        ]),
        FaultKind::Restart => whom(&[Whom::Leader, Whom::Follower]),
        FaultKind::DiskFull => whom(&[Whom::Leader, Whom::Follower, Whom::All]),
        FaultKind::Partition => {
            let mut shapes = vec![
                Shape::LeaderAlone,
                Shape::LeaderUnheard,
                Shape::LeaderDeaf,
                Shape::OneLink,
            ];
            if replicas > 2 {
                shapes.extend([Shape::LeaderInMajority, Shape::Bridge]);
            }
            if replicas > 3 {
                // Of three, each hears both others in a ring; and the smaller part is one.
                shapes.extend([Shape::LeaderInMinority, Shape::Ring]);
            }
            shapes.into_iter().map(Variant::Cut).collect()
        }
        _ => [Which::All, Which::OfLeader, Which::One]
            .map(Variant::On)
            .to_vec(),
    }
}
