//! Whether all replicas are consistent at any time, under stress: what the runs of `telegraft stress`
//! say of it.
//!
//! | file | what |
//! |---|---|
//! | `answer.rs` | the answer in sentences, and what it rests on |
//! | `tables.rs` | runs, faults, operations, staleness |
//! | `violations.rs` | what was broken, with the lines of the history |
//! | `figure.rs` | a run over its seconds, faults beneath |

mod answer;
mod figure;
mod tables;
mod violations;

pub(crate) use answer::{conditions, short};

use crate::report::Context;
use crate::report::document::Section;
use crate::report::text::Text;

/// What is held against what.
const CHECKED: &str = "\
*What is checked.* Clients record each operation before it is sent and after it is answered; at the end \
everything is healed, and every room is read from every replica. The check looks for one order of all \
messages, the log's, that explains every answer: each acknowledged message stands in it, once, without \
gaps in its room and behind what was acknowledged before it was sent; nothing is read that nobody sent, \
or whose send had failed; every page and inbox is the section of that order that it claims to be; \
linearizable and lease reads miss nothing that was acknowledged before they began; the digests of \
replicas are equal at equal log indexes. Local reads may be old; how old they were is measured. *What it \
cannot see* stands under the threats to validity.";

/// The section; empty without stress runs.
pub(crate) fn section(context: &Context<'_>) -> Section {
    let title = "Are all replicas really consistent at any time, under stress?";
    let mut section = Section::new("stress", title);
    if context.data.stress.is_empty() {
        return section;
    }
    section.list(answer::findings(context));
    section.paragraph(Text::parse(CHECKED));
    section.table(tables::runs(context));
    section.table(tables::faults(context));
    section.figures(figure::figures(context));
    section.table(tables::operations(context));
    section.table(tables::staleness(context));
    section.section(violations::section(context));
    section
}
