//! Whom a fault hits: roles, made into replicas and links at the moment when it happens.

use std::collections::{BTreeMap, BTreeSet};

use telegraft_cluster::local::{LinkCut, LinkFault};
use telegraft_cluster::raft::NodeId;

use super::fault::{Action, Shape, Style, Which, Whom};
use crate::draw::Draws;

/// The stream of draws that choices are made from.
const STREAM: u64 = 0x7a26;

/// A link, from whom to whom.
pub(super) type Link = (NodeId, NodeId);

/// What there is to choose from.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// All replicas.
    pub(super) all: Vec<NodeId>,
    /// Those that run.
    pub(super) up: Vec<NodeId>,
    /// Who leads, if that is known.
    pub(super) leader: Option<NodeId>,
    /// Whether no fault of its kind has had an effect yet: then only links are cut that are spoken
    /// on.
    pub(super) first: bool,
    /// The fault's own draw.
    pub(super) draw: u64,
}

impl Choice {
    fn draws(&self) -> Draws {
        Draws::new(self.draw, STREAM, 0)
    }

    /// The leader, or somebody instead where nobody is known to lead.
    fn leader_or(&self, among: &[NodeId]) -> Option<NodeId> {
        match self.leader.filter(|leader| among.contains(leader)) {
            Some(leader) => Some(leader),
            None if among.is_empty() => None,
            None => Some(among[self.draws().place(among.len())]),
        }
    }

    /// The replicas that `whom` names; none where there is none of the kind that runs.
    pub(super) fn replicas(&self, whom: Whom) -> Vec<NodeId> {
        let few = (self.all.len() - 1) / 2;
        let mut drawn = self.up.clone();
        self.draws().shuffle(&mut drawn);
        let many = match whom {
            Whom::Leader => return self.leader_or(&self.up).into_iter().collect(),
            Whom::Follower => {
                drawn.retain(|id| Some(*id) != self.leader);
                1
            }
            Whom::Minority => few,
            Whom::Majority => self.all.len() / 2 + 1,
            Whom::All => self.all.len(),
        };
        drawn.truncate(many);
        drawn.sort_unstable();
        drawn
    }

    /// What becomes of links by an action that is done to links.
    pub(super) fn links(&self, action: &Action) -> BTreeMap<Link, LinkFault> {
        let (links, fault) = match *action {
            Action::Partition { shape, style } => {
                let cut = match style {
                    Style::Reset => LinkCut::Reset,
                    Style::Silent => LinkCut::Silent,
                };
                (self.cuts(shape), LinkFault::cut(cut))
            }
            Action::Delay { on, delay, jitter } => (
                self.which(on),
                LinkFault {
                    delay,
                    jitter,
                    ..LinkFault::default()
                },
            ),
            Action::Throttle { on, bytes_per_s } => (
                self.which(on),
                LinkFault {
                    bytes_per_s: Some(bytes_per_s),
                    ..LinkFault::default()
                },
            ),
            Action::Loss { on, share } => (
                self.which(on),
                LinkFault {
                    loss: share,
                    ..LinkFault::default()
                },
            ),
            Action::Duplicate { on, share } => (
                self.which(on),
                LinkFault {
                    duplicate: share,
                    ..LinkFault::default()
                },
            ),
            Action::Reorder { on, share } => (
                self.which(on),
                LinkFault {
                    reorder: share,
                    ..LinkFault::default()
                },
            ),
            Action::Kill(_) | Action::Pause(_) | Action::Restart(_) | Action::DiskFull(_) => {
                return BTreeMap::new();
            }
        };
        links.into_iter().map(|link| (link, fault)).collect()
    }

    fn which(&self, which: Which) -> BTreeSet<Link> {
        let Some(leader) = self.leader_or(&self.all) else {
            return BTreeSet::new();
        };
        match which {
            Which::All => both_ways(&self.all, |_, _| true),
            Which::OfLeader => both_ways(&self.all, |a, b| a == leader || b == leader),
            Which::One => {
                let other = self.other(leader);
                both_ways(&self.all, |a, b| is(leader, other, a, b))
            }
        }
    }

    /// A replica that is not `leader`: one that runs, if there is one.
    fn other(&self, leader: NodeId) -> NodeId {
        let not = |ids: &[NodeId]| -> Vec<NodeId> {
            ids.iter().copied().filter(|id| *id != leader).collect()
        };
        let (up, all) = (not(&self.up), not(&self.all));
        let among = if up.is_empty() { all } else { up };
        among[self.draws().place(among.len())]
    }

    /// The links that a partition cuts.
    fn cuts(&self, shape: Shape) -> BTreeSet<Link> {
        let leader = self.leader_or(&self.all).expect("a cluster has replicas");
        let few = (self.all.len() - 1) / 2;
        let mut others: Vec<NodeId> = self.all.clone();
        others.retain(|id| *id != leader);
        self.draws().shuffle(&mut others);
        // Cut between `part` and the rest, where nobody bridges.
        let between = |part: &[NodeId], bridge: Option<NodeId>| {
            both_ways(&self.all, |a, b| {
                let in_part = (part.contains(&a), part.contains(&b));
                in_part.0 != in_part.1 && bridge != Some(a) && bridge != Some(b)
            })
        };
        match shape {
            Shape::LeaderAlone => between(&[leader], None),
            Shape::LeaderInMinority => {
                let mut part = others[..few - 1].to_vec();
                part.push(leader);
                between(&part, None)
            }
            Shape::LeaderInMajority => between(&others[..few], None),
            Shape::Ring => {
                let mut ring = others;
                ring.push(leader);
                let place = |id| ring.iter().position(|other| *other == id);
                both_ways(&self.all, |a, b| {
                    let (a, b) = (place(a).unwrap_or(0), place(b).unwrap_or(0));
                    let apart = a.abs_diff(b);
                    apart != 1 && apart != ring.len() - 1
                })
            }
            Shape::Bridge => {
                // Around a leader that hears all, the others have little to say to each other.
                let follower = if self.first { others.pop() } else { None };
                let mut all = others;
                all.push(leader);
                self.draws().shuffle(&mut all);
                let bridge = follower.or_else(|| all.pop());
                let half = all.len() / 2;
                between(&all[..half], bridge)
            }
            Shape::LeaderUnheard => others.into_iter().map(|to| (leader, to)).collect(),
            Shape::LeaderDeaf => others.into_iter().map(|from| (from, leader)).collect(),
            Shape::OneLink => {
                let other = self.other(leader);
                both_ways(&self.all, |a, b| is(leader, other, a, b))
            }
        }
    }
}

fn is(one: NodeId, other: NodeId, a: NodeId, b: NodeId) -> bool {
    (a, b) == (one, other) || (b, a) == (one, other)
}

/// The links between all pairs that `take` is true of, both ways.
fn both_ways(all: &[NodeId], take: impl Fn(NodeId, NodeId) -> bool) -> BTreeSet<Link> {
    let mut links = BTreeSet::new();
    for a in all {
        for b in all {
            if a != b && take(*a, *b) {
                links.insert((*a, *b));
            }
        }
    }
    links
}

/// What several faults together do to a link.
pub(super) fn together(one: LinkFault, other: LinkFault) -> LinkFault {
    LinkFault {
        cut: one.cut.or(other.cut),
        delay: one.delay + other.delay,
        jitter: one.jitter + other.jitter,
        bytes_per_s: match (one.bytes_per_s, other.bytes_per_s) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        },
        loss: one.loss.max(other.loss),
        duplicate: one.duplicate.max(other.duplicate),
        reorder: one.reorder.max(other.reorder),
    }
}

/// Links for people: `2→1 2→3`, or `1–2` where both ways are meant.
pub(super) fn links_text<'a>(links: impl IntoIterator<Item = &'a Link>) -> String {
    let links: BTreeSet<Link> = links.into_iter().copied().collect();
    let texts = links.iter().filter_map(|(from, to)| {
        if !links.contains(&(*to, *from)) {
            Some(format!("{from}→{to}"))
        } else if from < to {
            Some(format!("{from}–{to}"))
        } else {
            None
        }
    });
    texts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(replicas: u64, leader: Option<u64>, draw: u64) -> Choice {
        Choice {
            all: (1..=replicas).collect(),
            up: (1..=replicas).collect(),
            leader,
            first: false,
            draw,
        }
    }

    /// Whether `from` is heard by `to`, over nobody else.
    fn heard(cuts: &BTreeSet<Link>, from: u64, to: u64) -> bool {
        from == to || !cuts.contains(&(from, to))
    }

    /// How many hear `id` and are heard by it, itself included.
    fn in_touch(cuts: &BTreeSet<Link>, all: u64, id: u64) -> usize {
        let touch = |other: &u64| heard(cuts, id, *other) && heard(cuts, *other, id);
        (1..=all).filter(touch).count()
    }

    #[test]
    fn partitions_have_their_shapes() {
        for draw in 0..50 {
            let of = choice(5, Some(2), draw);
            let cuts = of.cuts(Shape::LeaderAlone);
            assert_eq!(in_touch(&cuts, 5, 2), 1);
            assert_eq!(in_touch(&cuts, 5, 3), 4);
            let sizes = |shape| {
                let cuts = of.cuts(shape);
                let leader = in_touch(&cuts, 5, 2);
                let mut all: Vec<usize> = (1..=5).map(|id| in_touch(&cuts, 5, id)).collect();
                all.sort_unstable();
                (leader, all)
            };
            assert_eq!(sizes(Shape::LeaderInMinority), (2, vec![2, 2, 3, 3, 3]));
            assert_eq!(sizes(Shape::LeaderInMajority), (3, vec![2, 2, 3, 3, 3]));
            assert_eq!(sizes(Shape::Ring), (3, vec![3; 5]));
            assert_eq!(sizes(Shape::Bridge).1, [3, 3, 3, 3, 5]);
            for replicas in [3, 5] {
                let mut of = choice(replicas, Some(2), draw);
                of.first = true;
                let cuts = of.cuts(Shape::Bridge);
                assert!(cuts.iter().any(|(from, _)| *from == 2), "{cuts:?}");
            }
            assert_eq!(sizes(Shape::OneLink), (4, vec![4, 4, 5, 5, 5]));
            let unheard = of.cuts(Shape::LeaderUnheard);
            assert!((1..=5).all(|to| to == 2 || !heard(&unheard, 2, to)));
            assert!((1..=5).all(|from| heard(&unheard, from, 2) || from == 2));
            let deaf = of.cuts(Shape::LeaderDeaf);
            assert!((1..=5).all(|from| from == 2 || !heard(&deaf, from, 2)));
            assert!((1..=5).all(|to| heard(&deaf, 2, to)));
        }
    }

    #[test]
    fn roles_are_made_into_replicas_that_run() {
        for draw in 0..50 {
            let mut of = choice(5, Some(4), draw);
            assert_eq!(of.replicas(Whom::Leader), [4]);
            assert_ne!(of.replicas(Whom::Follower), [4]);
            assert_eq!(of.replicas(Whom::Minority).len(), 2);
            assert_eq!(of.replicas(Whom::Majority).len(), 3);
            assert_eq!(of.replicas(Whom::All), [1, 2, 3, 4, 5]);
            // A leader that is down is none that can be hit.
            of.up = vec![2, 5];
            assert!([[2], [5]].contains(&of.replicas(Whom::Leader).try_into().expect("one")));
            assert_eq!(of.replicas(Whom::All), [2, 5]);
            of.up.clear();
            assert!(of.replicas(Whom::Leader).is_empty() && of.replicas(Whom::All).is_empty());
        }
    }

    #[test]
    fn faults_of_a_link_add_up() {
        let cut = LinkFault::cut(LinkCut::Silent);
        let lossy = LinkFault {
            loss: 0.2,
            bytes_per_s: Some(10),
            ..LinkFault::default()
        };
        let both = together(lossy, cut);
        assert_eq!((both.cut, both.loss), (Some(LinkCut::Silent), 0.2));
        assert_eq!(both.bytes_per_s, Some(10));
        assert_eq!(together(lossy, LinkFault::default()), lossy);
        let links = [(1, 2), (2, 1), (3, 1)];
        assert_eq!(links_text(&links), "1–2 3→1");
    }
}
