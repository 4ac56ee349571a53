//! Replicas are alike: states that differ only in who is who are one state.

use std::hash::Hasher;

use telegraft_cluster::raft::NodeId;
use xxhash_rust::xxh3::Xxh3;

use crate::bounds::MAX_NODES;

/// Ways to name [`MAX_NODES`] replicas.
pub(crate) const MAX_NAMINGS: usize = 6;

/// A hash under each naming; those beyond the number of namings are 0.
pub(crate) type Prints = [u64; MAX_NAMINGS];

/// All ways to give the replicas each other's ids. The first leaves them as they are.
#[derive(Clone, Debug)]
pub(crate) struct Namings(Vec<[NodeId; MAX_NODES]>);

impl Namings {
    pub(crate) fn new(nodes: usize) -> Self {
        let ids: [NodeId; MAX_NODES] = [1, 2, 3];
        let mut all = vec![ids];
        // Each earlier naming with each later id in each place: Heap's permutations, in short.
        for place in 0..nodes {
            for naming in all.clone() {
                for other in place + 1..nodes {
                    let mut swapped = naming;
                    swapped.swap(place, other);
                    all.push(swapped);
                }
            }
        }
        Namings(all)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What a naming calls a replica.
    pub(crate) fn name(&self, naming: usize, id: NodeId) -> NodeId {
        let place = usize::try_from(id - 1).expect("ids are small");
        self.0[naming][place]
    }

    /// Hashes something under each naming.
    pub(crate) fn prints(
        &self,
        mut content: impl FnMut(&mut dyn Hasher, &dyn Fn(NodeId) -> NodeId),
    ) -> Prints {
        let mut prints = [0; MAX_NAMINGS];
        for (naming, print) in prints.iter_mut().enumerate().take(self.len()) {
            let mut hasher = Xxh3::new();
            content(&mut hasher, &|id| self.name(naming, id));
            *print = hasher.digest();
        }
        prints
    }
}

/// 128 bits of hash of something under its own names.
pub(crate) fn identity(content: impl FnOnce(&mut dyn Hasher, &dyn Fn(NodeId) -> NodeId)) -> u128 {
    let mut hasher = Xxh3::new();
    content(&mut hasher, &|id| id);
    hasher.digest128()
}

/// Spreads a number over 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood, 2014).
pub(crate) fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_naming_is_there_once() {
        for (nodes, count) in [(1, 1), (2, 2), (3, 6)] {
            let namings = Namings::new(nodes);
            let distinct: BTreeSet<_> = namings.0.iter().copied().collect();
            assert_eq!((namings.len(), distinct.len()), (count, count));
            for naming in 0..count {
                let names: BTreeSet<_> = (1..=3).map(|id| namings.name(naming, id)).collect();
                assert_eq!(names, BTreeSet::from([1, 2, 3]));
            }
            assert!((1..=3).all(|id| namings.name(0, id) == id));
        }
    }
}
