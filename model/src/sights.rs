//! What a search comes by: a proof that something happens at all.

use crate::bounds::Bounds;

macro_rules! sights {
    ($($variant:ident $name:literal if $expected:expr;)*) => {
        /// What a search must have come by to have meant anything. One that broke no rule because
        /// nothing happened in it is no proof.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Sight {
            $(#[doc = concat!("Seen: ", $name, ".")] $variant,)*
        }

        impl Sight {
            /// All of them.
            pub const ALL: &[Sight] = &[$(Sight::$variant,)*];

            /// What was seen.
            pub fn name(self) -> &'static str {
                match self { $(Sight::$variant => $name,)* }
            }

            /// Whether a search of all that is within these bounds comes by it.
            fn is_expected(self, bounds: &Bounds) -> bool {
                match self { $(Sight::$variant => $expected(bounds),)* }
            }
        }
    };
}

fn always(_: &Bounds) -> bool {
    true
}

fn several(bounds: &Bounds) -> bool {
    bounds.nodes > 1
}

/// The first leader need not be the last.
fn successors(bounds: &Bounds) -> bool {
    several(bounds) && bounds.terms > 1
}

/// The others can elect another while one leads: of two they would need its vote.
fn rivals(bounds: &Bounds) -> bool {
    bounds.nodes > 2 && bounds.terms > 1
}

sights! {
    // Each kind of step.
    Arrived "a message arrived" if several;
    StaysOnItsWay "a message arrived, and may again"
        if |bounds: &Bounds| several(bounds) && bounds.duplicates != Some(0);
    Overtaken "a message arrived after one that its sender sent later" if several;
    LossTold "a sender was told of a loss"
        if |bounds: &Bounds| several(bounds) && bounds.losses > 0;
    Durable "a write became durable" if always;
    Campaigned "a replica campaigned" if always;
    Deserted "a leader was deserted" if successors;
    Beat "a heartbeat" if |bounds: &Bounds| several(bounds) && bounds.heartbeats > 0;
    Proposed "a command was proposed" if |bounds: &Bounds| bounds.commands > 0;
    Crashed "a crash and a restart" if |bounds: &Bounds| bounds.crashes > 0;
    Learned "a later term was learned of by a refusal"
        if |bounds: &Bounds| several(bounds) && !bounds.every_message;
    ReadAsked "a read asked for" if |bounds: &Bounds| bounds.reads > 0;
    HandOverAsked "a hand-over asked for"
        if |bounds: &Bounds| several(bounds) && bounds.transfers > 0;

    // What comes of them.
    WritesLost "writes lost in a crash" if |bounds: &Bounds| bounds.crashes > 0;
    WritesSurvived "writes that survived a crash, and nobody knew"
        if |bounds: &Bounds| bounds.crashes > 0;
    LeaderCrashed "a leader crashed" if |bounds: &Bounds| bounds.crashes > 0;
    TwoLeaders "two leaders at once" if rivals;
    LaterCommit "a commit in a later term" if successors;
    EarlierTermsCarried "entries of an earlier term committed with a later one" if successors;
    Refused "entries refused for want of those before them" if rivals;
    Superseded "entries superseded" if rivals;
    ReadAnswered "a read answered" if |bounds: &Bounds| bounds.reads > 0;
    FollowerRead "a read answered by a follower"
        if |bounds: &Bounds| several(bounds) && bounds.reads > 0;
    HandedOver "a replica campaigned because its leader asked it to"
        if |bounds: &Bounds| successors(bounds) && bounds.transfers > 0;
}

impl Sight {
    /// All that a search to the end of these bounds comes by.
    pub fn expected(bounds: &Bounds) -> Vec<Sight> {
        let all = Sight::ALL.iter().copied();
        all.filter(|sight| sight.is_expected(bounds)).collect()
    }

    /// Its bit in a set.
    pub(crate) fn bit(self) -> u32 {
        1 << self as u32
    }
}

const _: () = assert!(Sight::ALL.len() <= 32, "a set of them fits into 32 bits");
