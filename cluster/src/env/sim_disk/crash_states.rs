//! What a crash may leave, one state after the other, instead of one by chance.
//!
//! What is not synced is a set of choices: for each change of a name, whether it is on the
//! platter; for each sector, which of its versions; for each file that has grown, which length.
//! The outcomes of the names are listed first, since what is in a file that has no name is of no
//! account. Where the choices of the files that are left have few enough combinations, all are
//! listed; else a family of them (see [`CrashStates::complete`]). Then come sectors torn inside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Contents, FileId, SECTOR_BYTES, Sector, SimDisk, State};

/// Changes of names of which every subset is looked at; of more, the prefixes, and all but one.
const MOST_NAME_CHANGES: usize = 8;
/// Random mixes where there are too many combinations to list.
const RANDOM_MIXES: usize = 64;
/// Sectors are torn at every multiple of this, in bytes.
const TEAR_BYTES: usize = 64;

/// One state that a crash may leave; [`SimDisk::crashed_as`] makes a disk of it.
#[derive(Clone, Debug)]
pub struct CrashState {
    names: BTreeMap<PathBuf, FileId>,
    kept: Vec<(FileId, Kept)>,
    /// Whether a sector is neither the old nor the new one.
    pub torn_inside: bool,
}

/// What of a file is kept beside its platter's content.
#[derive(Clone, Debug)]
enum Kept {
    Sector(u64, Sector),
    Length(u64),
}

/// The states that a crash may leave.
#[derive(Debug)]
pub struct CrashStates {
    /// The states; no two are the same, except by a sector torn where nothing changes.
    pub states: Vec<CrashState>,
    /// Whether all combinations of whole sectors, lengths and names are among them. Else, for
    /// some outcome of the names, these are: everything old; everything new; in the order of
    /// files and sectors every prefix and every suffix new; each choice alone at each of its
    /// newer versions, and each alone old; every two new or old alone; and 64 random mixes.
    pub complete: bool,
}

/// One thing of which one of several versions is kept, the old one first.
struct Choice {
    file: FileId,
    versions: Vec<Kept>,
}

impl SimDisk {
    /// Every state that a crash now may leave, each outcome of the names with at most
    /// `most_combinations` of what is in its files, and a few for each sector torn inside: its
    /// newest version up to some place and the old one after it, or the other way round, with all
    /// other sectors old or all new.
    pub fn crash_states(&self, most_combinations: usize) -> CrashStates {
        let state = self.state();
        let mut all = CrashStates {
            states: Vec::new(),
            complete: true,
        };
        for names in name_outcomes(&state, &mut all.complete) {
            let choices = choices(&state, &names);
            let counts: Vec<usize> = choices.iter().map(|c| c.versions.len()).collect();
            let (picks, complete) = picks(&counts, most_combinations);
            all.complete &= complete;
            let newest: Vec<usize> = counts.iter().map(|count| count - 1).collect();
            let oldest = vec![0; counts.len()];
            all.states.extend(picks.iter().map(|pick| CrashState {
                names: names.clone(),
                kept: kept(&choices, pick),
                torn_inside: false,
            }));
            for torn in choices.iter().flat_map(Choice::torn) {
                for others in [&oldest, &newest] {
                    let mut kept = kept(&choices, others);
                    // The last one counts.
                    kept.push(torn.clone());
                    all.states.push(CrashState {
                        names: names.clone(),
                        kept,
                        torn_inside: true,
                    });
                }
            }
        }
        all
    }

    /// A disk of its own, as this one is after a crash that left `crash`, with power.
    pub fn crashed_as(&self, crash: &CrashState) -> SimDisk {
        let disk = self.fork();
        {
            let mut state = disk.state();
            state.name_changes.clear();
            state.fail_next_sync = false;
            state.durable_names = crash.names.clone();
            state.names = crash.names.clone();
            let named: BTreeSet<FileId> = crash.names.values().copied().collect();
            state.files.retain(|file, _| named.contains(file));
            for (file, kept) in &crash.kept {
                let contents = state.contents(*file);
                match kept {
                    Kept::Sector(number, sector) => {
                        contents.durable.insert(*number, Arc::clone(sector));
                    }
                    Kept::Length(length) => contents.durable_len = *length,
                }
            }
            for contents in state.files.values_mut() {
                contents.unsynced.clear();
                contents.settle();
            }
        }
        disk
    }
}

/// What the names may be: each outcome once.
fn name_outcomes(state: &State, complete: &mut bool) -> Vec<BTreeMap<PathBuf, FileId>> {
    let changes = &state.name_changes;
    let survivors: Vec<Vec<usize>> = if changes.len() <= MOST_NAME_CHANGES {
        let counts = vec![2; changes.len()];
        picks(&counts, 1 << MOST_NAME_CHANGES).0
    } else {
        *complete = false;
        let prefixes = (0..=changes.len()).map(|k| mask(changes.len(), |at| at < k));
        let all_but_one = (0..changes.len()).map(|k| mask(changes.len(), |at| at != k));
        prefixes.chain(all_but_one).collect()
    };
    let outcomes: BTreeSet<BTreeMap<PathBuf, FileId>> = survivors
        .into_iter()
        .map(|survives| {
            let mut names = state.durable_names.clone();
            for (change, survives) in changes.iter().zip(survives) {
                if survives == 1 {
                    change.apply(&mut names);
                }
            }
            names
        })
        .collect();
    outcomes.into_iter().collect()
}

/// What is open in the files that have a name, each choice with two versions at least.
fn choices(state: &State, names: &BTreeMap<PathBuf, FileId>) -> Vec<Choice> {
    let named: BTreeSet<FileId> = names.values().copied().collect();
    named
        .into_iter()
        .flat_map(|file| {
            let contents = &state.files[&file];
            let lengths = [contents.durable_len, contents.len].map(Kept::Length);
            let length = (contents.len != contents.durable_len).then(|| Choice {
                file,
                versions: lengths.into(),
            });
            let sectors = contents.unsynced.keys().map(move |number| Choice {
                file,
                versions: versions(contents, *number),
            });
            length.into_iter().chain(sectors)
        })
        .filter(|choice| choice.versions.len() > 1)
        .collect()
}

/// The versions of a sector that may be kept, that on the platter first, each once.
fn versions(contents: &Contents, number: u64) -> Vec<Kept> {
    let zeros = || Arc::new([0; SECTOR_BYTES]);
    let mut versions = vec![contents.durable.get(&number).cloned().unwrap_or_else(zeros)];
    for version in &contents.unsynced[&number] {
        if !versions.contains(version) {
            versions.push(Arc::clone(version));
        }
    }
    let kept = |sector| Kept::Sector(number, sector);
    versions.into_iter().map(kept).collect()
}

fn kept(choices: &[Choice], pick: &[usize]) -> Vec<(FileId, Kept)> {
    let chosen = choices.iter().zip(pick);
    chosen
        .map(|(choice, version)| (choice.file, choice.versions[*version].clone()))
        .collect()
}

impl Choice {
    /// The sector, torn in every way.
    fn torn(&self) -> Vec<(FileId, Kept)> {
        let (Kept::Sector(number, old), Some(Kept::Sector(_, new))) =
            (&self.versions[0], self.versions.last())
        else {
            return Vec::new();
        };
        let mut torn = Vec::new();
        for at in (TEAR_BYTES..SECTOR_BYTES).step_by(TEAR_BYTES) {
            for (start, end) in [(new, old), (old, new)] {
                let mut sector = **end;
                sector[..at].copy_from_slice(&start[..at]);
                if sector != **old && sector != **new {
                    torn.push((self.file, Kept::Sector(*number, Arc::new(sector))));
                }
            }
        }
        torn
    }
}

fn mask(length: usize, new: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..length).map(|at| usize::from(new(at))).collect()
}

/// One version for each choice, in all combinations if there are at most `most` of them, else in
/// those that [`CrashStates::complete`] names; and whether these are all. `counts` are those
/// of the choices' versions.
fn picks(counts: &[usize], most: usize) -> (Vec<Vec<usize>>, bool) {
    let combinations = counts
        .iter()
        .try_fold(1_usize, |product, count| product.checked_mul(*count));
    if combinations.is_some_and(|combinations| combinations <= most) {
        let mut all = vec![Vec::new()];
        for count in counts {
            all = all
                .iter()
                .flat_map(|start| {
                    (0..*count).map(move |version| [start.as_slice(), &[version]].concat())
                })
                .collect();
        }
        return (all, true);
    }
    let newest = |new: &dyn Fn(usize) -> bool| -> Vec<usize> {
        let chosen = counts.iter().enumerate();
        chosen
            .map(|(at, count)| if new(at) { count - 1 } else { 0 })
            .collect()
    };
    let length = counts.len();
    let mut some = BTreeSet::new();
    for k in 0..=length {
        some.insert(newest(&|at| at < k));
        some.insert(newest(&|at| at >= k));
    }
    for one in 0..length {
        some.insert(newest(&|at| at != one));
        for version in 1..counts[one] {
            let mut alone = vec![0; length];
            alone[one] = version;
            some.insert(alone);
        }
        for other in 0..one {
            some.insert(newest(&|at| at == one || at == other));
            some.insert(newest(&|at| at != one && at != other));
        }
    }
    let mut rng = StdRng::seed_from_u64(length as u64);
    for _ in 0..RANDOM_MIXES {
        some.insert(counts.iter().map(|c| rng.random_range(0..*c)).collect());
    }
    (some.into_iter().collect(), false)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::Disk;
    use super::*;

    #[test]
    fn few_combinations_are_all_listed_and_of_many_the_family() {
        assert_eq!(picks(&[], 1), (vec![vec![]], true));
        let (all, complete) = picks(&[2, 3, 2], 12);
        assert!(complete);
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!((all.len(), distinct.len()), (12, 12));

        let (some, complete) = picks(&[3; 20], 4096);
        assert!(!complete);
        assert!((500..4096).contains(&some.len()), "{}", some.len());
        for expected in [
            vec![0; 20],
            vec![2; 20],
            [vec![2; 7], vec![0; 13]].concat(),
            [vec![0; 7], vec![2; 13]].concat(),
            [vec![0; 19], vec![1]].concat(),
            [vec![2; 19], vec![0]].concat(),
        ] {
            assert!(some.contains(&expected), "{expected:?}");
        }
    }

    #[test]
    fn every_mix_of_sectors_lengths_and_names_is_there_once_and_torn_sectors_too() {
        let disk = SimDisk::new();
        let dir = Path::new("/d");
        disk.create_dir_all(dir).unwrap();
        let (one, two) = (dir.join("one"), dir.join("two"));
        let file = disk.create(&one).unwrap();
        file.allocate(1024).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(dir).unwrap();
        assert_eq!(disk.crash_states(100).states.len(), 1, "all is synced");
        file.write_at(0, &[1; 1024]).unwrap();
        file.write_at(0, &[2; 512]).unwrap();
        disk.rename(&one, &two).unwrap();

        let all = disk.crash_states(100);
        assert!(all.complete);
        let mut found = BTreeSet::new();
        for crash in all.states.iter().filter(|crash| !crash.torn_inside) {
            let disk = disk.crashed_as(crash);
            let names = disk.list(dir).unwrap();
            let mut bytes = [9; 1024];
            let file = disk.open(&dir.join(&names[0])).unwrap();
            file.read_at(0, &mut bytes).unwrap();
            found.insert((names, bytes[0], bytes[512]));
        }
        // Two names, three versions of the one sector and two of the other.
        assert_eq!(found.len(), 12);
        let torn = all.states.iter().filter(|crash| crash.torn_inside).count();
        // Each sector at seven places, either way round, among old ones and among new ones.
        assert_eq!(torn, 2 * 2 * 7 * 2 * 2);
        assert_eq!(all.states.len(), 12 + torn);
    }
}
