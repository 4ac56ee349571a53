//! Histories of operations against a cluster, and the check of what the cluster promised.
//!
//! A [`Writer`] records who asked for what, when, and what came of it. [`check_file`] judges that
//! record alone: it knows nothing of the cluster's code. [`check`] does the same in memory.
//!
//! # The format
//!
//! JSON lines, one event each, UTF-8. A line has at most [`MAX_LINE_BYTES`]. Fields may come in any
//! order, others than these are passed over.
//!
//! ```text
//! {"index":0,"process":3,"type":"invoke","f":"send","room":12,"value":"a-1","time_ns":1}
//! {"index":1,"process":3,"type":"ok","f":"send","seq":41,"log_index":900,"term":2,"time_ns":9}
//! {"index":2,"process":4,"type":"invoke","f":"read","room":12,"after":40,"limit":100,
//!            "consistency":"linearizable","replica":2,"min_index":890,"time_ns":12}
//! {"index":3,"process":4,"type":"ok","f":"read","values":[[41,"a-1"]],"applied_index":907,"time_ns":20}
//! {"index":4,"process":5,"type":"invoke","f":"inbox","user":7,"after":0,"limit":100,
//!            "consistency":"local","replica":1,"time_ns":22}
//! {"index":5,"process":5,"type":"ok","f":"inbox","values":[[12,41,"a-1"]],"applied_index":907,
//!            "cursor":907,"time_ns":25}
//! {"process":"setup","type":"ok","f":"member","room":12,"user":7, …}
//! {"process":"nemesis","type":"info","f":"kill","replica":2,"detail":"…", …}
//! {"process":"observer","type":"ok","f":"digest","replica":2,"log_index":900,"value":"<hex>", …}
//! ```
//!
//! - A process has one operation open at a time. `ok` answers it, `fail` says that it did not
//!   happen and never will, `info` that nobody knows; the process ends with `info`. What is open at
//!   the end of the file is unknown too. A send whose outcome is unknown may take effect once at any
//!   time after its invocation, also much later, or never.
//! - An invocation is recorded before the request leaves, an answer after it came. `time_ns` is one
//!   monotonic clock. Events are in the order of their times, and of their lines where times are
//!   equal; the lines need not be in the order of their times, as several threads write them, but
//!   those of one process are.
//! - Ids are unique. All messages of the rooms in a history are in it: rooms begin empty.
//! - Seqs and log indexes count from 1. `applied_index` is what the answer's state had applied:
//!   exactly the messages up to it are in that state. A page shorter than its limit claims that
//!   nothing follows in that state; one as long as its limit claims nothing of what follows.
//! - An inbox's `after` and `cursor` are log indexes, as numbers or as texts of their digits. Its
//!   user's rooms are told before, by `member`.
//! - `replica` is the one that answers: 0 or absent where nobody knows, as when a client that gets no
//!   answer turns to another. `index` is optional; where
//!   it is given, it counts the lines without gaps: a line that is missing is found.
//! - A fault begins with a line of its kind and may end with one of [`ENDS`].
//! - A torn last line, as a crash of the recorder leaves it, is passed over with a note. Whatever
//!   else is wrong with a line is an error that names it: a verdict on half of a history is none.
//! - Answers 410 (trimmed messages) do not exist yet. They would be another answer to a read, with
//!   the first kept seq; until then a read that fails so is `fail`.
//!
//! # What is checked
//!
//! The model is one log. Its entries have indexes; some entries are messages, and a message's seq
//! is its rank among its room's messages. `c(t)` is the number of entries that are committed at
//! time `t`: it never falls. A history is consistent if there are a log and a function `c` so that
//!
//! 1. an acknowledged send's message is in the log once, where its answer says, and `c` passes its
//!    index between its invocation and its answer;
//! 2. a send of unknown outcome has its message in the log at most once, and then `c` passes its
//!    index after its invocation; a failed one has none; there are no other messages;
//! 3. a read answered at applied index A shows exactly the messages of its room, among those from
//!    `after` on and up to its limit, that have an index of at most A; an inbox shows exactly those
//!    of its user's rooms from its cursor to its next one (to A, if it is shorter than its limit);
//! 4. `c` has the value A between the invocation and the answer of a linearizable or lease read, and
//!    reaches A before the answer of a local one, and before a digest at A is told;
//! 5. A is at least `min_index`, and local answers of one replica do not go back in A, from an
//!    answer to an invocation after it, unless the replica was started anew meanwhile: there is a
//!    fault of [`RESTARTS`] for it between the first one's invocation and the second one's answer
//!    (another process may have given the first, and starts from its log);
//! 6. digests at one index are equal.
//!
//! 1 to 4 are linearizability of a list per room to which messages are appended, with one order over
//! all rooms, for everything but local reads; those see a prefix of the same log. Linearizable and
//! lease reads are ordered globally: what any earlier answer (of a local read, too) has shown, a
//! later one shows. Local reads are ordered by replica only.
//!
//! # Why that is exact, and takes no search
//!
//! To decide linearizability in general takes exponential time, because the order of concurrent
//! operations must be guessed. Here answers witness it: seqs, log indexes and applied indexes.
//!
//! *Places.* Acknowledgements and pages say which message is at which seq of which room. Each place
//! has one message and each message one place, or no log exists. All that rooms hold below their
//! highest witnessed seq exists, as seqs have no gaps.
//!
//! *Known indexes.* With the acknowledged ones, 3 is a comparison: what a page shows has indexes up
//! to A, and the least index above it (a minimum over the suffix of the room, computed once) is
//! above A. For 1 and 4, every claim is a bound of `c` at one time: an answer's is a lower one (`c`
//! is at least that from then on), an invocation's an upper one (`c` is below the send's index, or at
//! most A, until then). A function that never falls and keeps them all exists exactly if no lower
//! bound is above an upper bound of a later time. (If: take the greatest lower bound so far,
//! and step through all values in between.) One pass over the events in order, with the
//! maximum so far, decides that.
//!
//! *Unknown indexes.* A message that was not acknowledged but seen, and one that nobody saw but that
//! must exist below a witnessed seq, have indexes that nobody told. For the latter, any unknown send
//! to the room that was not seen may be it. An exchange argument says which: if the i-th of these
//! places can be filled at all, it can be filled by the i-th such send in the order of invocations,
//! because a send bounds its index only from below, by what was claimed before it began.
//! Everything else that is known is a bound of an index from below or above, or an order of two: the
//! order of the room, and that of inboxes. `c` adds only: above the greatest claim before the
//! send's invocation. So the question is whether the log has different free indexes for
//! all of them: unit jobs with release times, deadlines and precedences on one machine, which the
//! rule of the earliest deadline decides exactly. Sends that no place needs can always be put at
//! the end of the log, or left out.
//!
//! Hence a verdict "consistent" comes with a log and a `c`, and a violation names claims that exclude
//! each other, up to these limits:
//!
//! - An inbox that shows nothing of a room says that a message of an unknown index is before its
//!   cursor or after its end. Which one is decided if inboxes of the user in the history lead from
//!   the log's beginning to that cursor; of other cursors, nothing is concluded for such messages. (A
//!   client that reads its inbox page by page from the beginning never has others.)
//! - Once a violation is found, what follows from it may be told too, or not; the last step, whether
//!   all unknown indexes fit together, is taken only if there is none.
//! - Ids are compared by hashes of 128 bits; two among ten million collide with a probability
//!   below 10⁻²⁴.
//! - Which of two names a violation has is a matter of explanation. `lost` is an acknowledged message
//!   that the last linearizable or lease read that had to show it does not; where a later read
//!   shows it, it is a `stale-read`.
//!
//! It takes O(n log n) for n operations and values, and an inbox as many steps as its user has
//! rooms.
//!
//! Read on in `line.rs`, `entry.rs` and `fast.rs` (the lines), `load.rs` and `store.rs` (what is kept of them),
//! `places.rs`, `pages.rs`, `sweep.rs`, `log_order.rs`, `inboxes.rs`, `unplaced.rs` (the judges, in
//! this order), `explain.rs` and `svg.rs`.

mod check;
mod entry;
mod error;
mod explain;
pub mod export;
mod fast;
mod feed;
mod found;
mod inboxes;
mod line;
mod load;
mod log_order;
mod memory;
mod numbers;
mod op;
mod options;
mod pages;
mod places;
mod rule;
mod store;
mod svg;
mod sweep;
mod unplaced;
mod verdict;
mod verdict_text;
mod writer;

pub use check::{check, check_bytes, check_file};
pub use error::HistoryError;
pub use line::{Event, Fault, Line, parse_line};
pub use memory::History;
pub use op::{Completion, Consistency, Kind, Op};
pub use options::{CheckOptions, DEFAULT_EXPLAINED};
pub use rule::Rule;
pub use svg::timeline_svg;
pub use sweep::{ENDS, RESTARTS};
pub use verdict::{Excerpt, Operations, Percentiles, Staleness, Verdict, Violation};
pub use writer::Writer;

/// The longest line that is read, in bytes: a page of more than a hundred thousand messages.
pub const MAX_LINE_BYTES: usize = 16 << 20;
