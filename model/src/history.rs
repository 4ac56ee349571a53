//! What of the past the rules need, and the rules that look at all replicas.

use crate::bounds::{MAX_COMMANDS, MAX_READS, MAX_TERMS};
use crate::names::mix;
use crate::rules::Rule;
use crate::sights::Sight;
use crate::view::{Brief, View};

/// One no-op a term, and the commands.
const MAX_ENTRIES: usize = MAX_TERMS + MAX_COMMANDS;

/// An entry that some replica took for committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Committed {
    entry: Brief,
    /// The term of the leader that committed it first.
    in_term: u8,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    /// Who was elected in each term; 0 for nobody.
    leaders: [u8; MAX_TERMS + 1],
    /// What was ever committed, from index 1 on.
    committed: [Committed; MAX_ENTRIES],
    committed_len: u8,
    /// 1 + how much was committed when each open read was asked; 0 for one that is not open.
    reads: [u8; MAX_READS],
}

/// A broken rule, and how it was broken.
pub(crate) type Broken = (Rule, String);

impl History {
    pub(crate) fn new() -> Self {
        let none = Brief {
            term: 0,
            command: 0,
        };
        History {
            leaders: [0; _],
            committed: [Committed {
                entry: none,
                in_term: 0,
            }; _],
            committed_len: 0,
            reads: [0; _],
        }
    }

    fn committed(&self) -> &[Committed] {
        &self.committed[..usize::from(self.committed_len)]
    }

    /// A hash of all but who led.
    pub(crate) fn print(&self) -> u64 {
        let mut print = 0;
        for committed in self.committed() {
            let Committed { entry, in_term } = committed;
            let bytes = [1, entry.term, entry.command, *in_term];
            print = mix(print ^ u64::from(u32::from_le_bytes(bytes)));
        }
        for open in self.reads {
            print = mix(print ^ u64::from(open));
        }
        print
    }

    /// Who led each term.
    pub(crate) fn leaders(&self) -> impl Iterator<Item = (usize, u64)> {
        let leaders = self.leaders.iter().copied().map(u64::from).enumerate();
        leaders.filter(|(_, leader)| *leader != 0)
    }

    /// A linearizable read is asked now.
    pub(crate) fn ask(&mut self, read: u8) {
        self.reads[usize::from(read)] = 1 + self.committed_len;
    }

    /// A read may be answered at an index, or is refused.
    pub(crate) fn answer(&mut self, read: u8, index: Option<u8>) -> Result<(), Broken> {
        let asked = std::mem::take(&mut self.reads[usize::from(read)]);
        match index {
            Some(index) if asked == 0 => {
                let text = format!("read {read} is answered again, at index {index}");
                Err((Rule::FreshRead, text))
            }
            Some(index) if index + 1 < asked => {
                let text = format!(
                    "read {read} is answered at index {index}, and up to {} was committed before \
                     it was asked",
                    asked - 1
                );
                Err((Rule::FreshRead, text))
            }
            _ => Ok(()),
        }
    }

    /// Replica `at` has become `views[at]`, and was `before`. What is new to see goes to `see`.
    pub(crate) fn judge(
        &mut self,
        before: &View,
        at: usize,
        views: &[&View],
        mut see: impl FnMut(Sight),
    ) -> Result<(), Broken> {
        let after = views[at];
        if before.log != after.log || before.disk != after.disk {
            logs_match(at, views)?;
        }
        if after.leads() && !(before.leads() && before.term == after.term) {
            self.elected(at, after)?;
            let others = views.iter().enumerate().filter(|(other, _)| *other != at);
            if others.into_iter().any(|(_, view)| view.leads()) {
                see(Sight::TwoLeaders);
            }
        }
        let grew = self.committed_len;
        if after.commit > before.commit {
            self.commit(after, views)?;
        }
        if self.committed_len > grew {
            if after.term > 1 {
                see(Sight::LaterCommit);
            }
            if self.committed[usize::from(grew)].entry.term < after.term {
                see(Sight::EarlierTermsCarried);
            }
        }
        if self.committed_len > grew || before.disk != after.disk {
            self.is_durable(views)?;
        }
        Ok(())
    }

    fn elected(&mut self, at: usize, view: &View) -> Result<(), Broken> {
        let leader = &mut self.leaders[usize::from(view.term)];
        let id = u8::try_from(at + 1).expect("replicas are few");
        if *leader != 0 && *leader != id {
            let text = format!("{leader} and {id} were both elected in term {}", view.term);
            return Err((Rule::ElectionSafety, text));
        }
        *leader = id;
        self.is_complete(view)
    }

    /// A leader's log has what was committed in earlier terms.
    fn is_complete(&self, leader: &View) -> Result<(), Broken> {
        for (place, committed) in self.committed().iter().enumerate() {
            let held = leader.log.get(place);
            if committed.in_term < leader.term && held != Some(&committed.entry) {
                let text = format!(
                    "{:?} was committed at index {} in term {}, and the leader of term {} has {:?} \
                     there",
                    committed.entry,
                    place + 1,
                    committed.in_term,
                    leader.term,
                    held
                );
                return Err((Rule::LeaderCompleteness, text));
            }
        }
        Ok(())
    }

    /// A replica has taken more for committed.
    fn commit(&mut self, view: &View, views: &[&View]) -> Result<(), Broken> {
        for (place, entry) in view.log[..view.commit].iter().enumerate() {
            if let Some(committed) = self.committed().get(place) {
                if committed.entry != *entry {
                    let text = format!(
                        "at index {}, {:?} was committed, and now {entry:?} is",
                        place + 1,
                        committed.entry
                    );
                    return Err((Rule::StateMachineSafety, text));
                }
            } else if view.leads() {
                self.committed[place] = Committed {
                    entry: *entry,
                    in_term: view.term,
                };
                self.committed_len += 1;
            } else {
                let text = format!(
                    "no leader has committed index {}, and a follower takes it for committed",
                    place + 1
                );
                return Err((Rule::StateMachineSafety, text));
            }
        }
        let leaders = views.iter().filter(|view| view.leads());
        leaders
            .into_iter()
            .try_for_each(|leader| self.is_complete(leader))
    }

    fn is_durable(&self, views: &[&View]) -> Result<(), Broken> {
        let committed = self.committed();
        let holds = |view: &&&View| {
            view.disk.len() >= committed.len()
                && view
                    .disk
                    .iter()
                    .zip(committed)
                    .all(|(entry, committed)| *entry == committed.entry)
        };
        let holders = views.iter().filter(holds).count();
        if holders < views.len() / 2 + 1 {
            let text = format!(
                "up to index {} is committed, and durable on {holders} of {} replicas",
                committed.len(),
                views.len()
            );
            return Err((Rule::DurableCommit, text));
        }
        Ok(())
    }
}

/// The logs of one replica match those of all.
fn logs_match(at: usize, views: &[&View]) -> Result<(), Broken> {
    let own = [&views[at].log, &views[at].disk];
    let all = views.iter().flat_map(|view| [&view.log, &view.disk]);
    for other in all {
        for log in own {
            let ends = log.iter().zip(other).rposition(|(a, b)| a.term == b.term);
            let end = ends.map_or(0, |place| place + 1);
            if log[..end] != other[..end] {
                let text = format!("{log:?} and {other:?} have the same term at index {end}");
                return Err((Rule::LogMatching, text));
            }
        }
    }
    Ok(())
}
