//! Which configurations can be compared with each other, and in what they differ.

use crate::summary::Group;

/// The names of the settings in which two groups differ, with the first one's value and the
/// other's; none where they are not to be compared: of another workload, system, number of
/// replicas, or measured under other circumstances.
pub(crate) fn differing(
    one: &Group<'_>,
    other: &Group<'_>,
) -> Option<Vec<(&'static str, String, String)>> {
    let same_place = one.runs[0].circumstances == other.runs[0].circumstances;
    fn of<'g>(group: &'g Group<'_>) -> (&'g str, &'g str, usize) {
        let row = group.any();
        (&row.workload, &row.system, row.replicas)
    }
    (same_place && of(one) == of(other)).then(|| changed(one, other))
}

/// Whether two groups differ in the number of replicas at most.
pub(crate) fn same_but_replicas(one: &Group<'_>, other: &Group<'_>) -> bool {
    let (own, others) = (one.any(), other.any());
    one.runs[0].circumstances == other.runs[0].circumstances
        && (&own.workload, &own.system) == (&others.workload, &others.system)
        && one.settings == other.settings
}

fn changed(one: &Group<'_>, other: &Group<'_>) -> Vec<(&'static str, String, String)> {
    let pairs = one.settings.iter().zip(&other.settings);
    pairs
        .filter(|((_, own), (_, others))| own != others)
        .map(|((name, own), (_, others))| (*name, own.clone(), others.clone()))
        .collect()
}
