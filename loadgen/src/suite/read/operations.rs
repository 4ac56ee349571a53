//! `[operations]` and `[polling]`: what is done.

use telegraft_cluster::http::MAX_LIMIT;

use crate::plan::Kind;
use crate::suite::bounds::{MAX_DURATION, MAX_RATE, MAX_SEQUENCE, MAX_WEIGHT, MIN_DURATION};
use crate::suite::document::{Item, Table, Wrong};
use crate::suite::workload::{
    Arrival, Inbox, Operations, Polling, Population, Read, ReadPage, Weight,
};

/// Messages of a page, if the file does not say.
const DEFAULT_LIMIT: usize = 50;

pub(in crate::suite) const PAGES: [(&str, ReadPage); 2] = [
    ("latest", ReadPage::Latest),
    ("since-last-seen", ReadPage::SinceLastSeen),
];

pub(super) fn operations(item: &Item<'_>) -> Result<Operations, Wrong> {
    let table = item.table("tables of operations, as [operations.send]")?;
    let mut known = vec!["sequence"];
    known.extend(Kind::ALL.map(Kind::name));
    table.only(&known)?;
    let sequence = match table.get("sequence") {
        Some(item) => sequence(&item, &table)?,
        None => Vec::new(),
    };
    let mut operations = Operations::default();
    for kind in Kind::ALL {
        match table.get(kind.name()) {
            Some(item) => {
                let table = item.table("a table, as [operations.send]")?;
                set(&mut operations, kind, Some(&table), !sequence.is_empty())?;
            }
            None if sequence.contains(&kind) => set(&mut operations, kind, None, true)?,
            None => {}
        }
    }
    operations.sequence = sequence;
    Ok(operations)
}

/// What is done in turn. Each of the operations' tables must be one of it.
fn sequence(item: &Item<'_>, table: &Table<'_>) -> Result<Vec<Kind>, Wrong> {
    let names = Kind::ALL.map(|kind| (kind.name(), kind));
    let mut sequence = Vec::new();
    for item in item.list(MAX_SEQUENCE, "[\"read\", \"send\"]")? {
        sequence.push(item.named("operation", &names)?);
    }
    for (name, kind) in names {
        let Some(item) = table.get(name) else {
            continue;
        };
        if !sequence.contains(&kind) {
            return Err(item.wrong(format!(
                "[operations.{name}] is not in the sequence: nobody would do it"
            )));
        }
    }
    Ok(sequence)
}

/// Reads one operation's table; without one, all has its default.
fn set(
    operations: &mut Operations,
    kind: Kind,
    table: Option<&Table<'_>>,
    in_sequence: bool,
) -> Result<(), Wrong> {
    let keys: &[&str] = match kind {
        Kind::Send | Kind::Join | Kind::CreateRoom => &["weight"],
        Kind::Read => &["weight", "page", "limit"],
        Kind::Inbox => &["weight", "limit"],
    };
    if let Some(table) = table {
        table.only(keys)?;
    }
    let get = |key| table.and_then(|table| table.get(key));
    let weight = match get("weight") {
        Some(item) if in_sequence => {
            return Err(item.wrong(
                "operations have weights or a sequence, not both: name one twice in the \
                 sequence to have it done twice as often",
            ));
        }
        Some(item) => weight(&item)?,
        None => 1,
    };
    let limit = match get("limit") {
        Some(item) => limit(&item)?,
        None => DEFAULT_LIMIT,
    };
    match kind {
        Kind::Send => operations.send = Some(Weight { weight }),
        Kind::Join => operations.join = Some(Weight { weight }),
        Kind::CreateRoom => operations.create_room = Some(Weight { weight }),
        Kind::Inbox => operations.inbox = Some(Inbox { weight, limit }),
        Kind::Read => {
            let page = match get("page") {
                Some(item) => item.named("page", &PAGES)?,
                None => ReadPage::SinceLastSeen,
            };
            operations.read = Some(Read {
                weight,
                page,
                limit,
            });
        }
    }
    Ok(())
}

fn weight(item: &Item<'_>) -> Result<u32, Wrong> {
    let weight = item.count(
        1..=MAX_WEIGHT,
        ": an operation that is not done is left out",
    )?;
    Ok(u32::try_from(weight).expect("the bounds fit"))
}

fn limit(item: &Item<'_>) -> Result<usize, Wrong> {
    item.places(1..=MAX_LIMIT, " messages of a page")
}

pub(super) fn polling(
    item: &Item<'_>,
    arrival: &Arrival,
    population: &Population,
) -> Result<Polling, Wrong> {
    let table = item.table("a table, as [polling] with every = \"5s\"")?;
    table.only(&["every", "users", "limit"])?;
    if !matches!(arrival, Arrival::Open { .. }) {
        return Err(table.wrong(
            "polling needs model = \"open\" in [arrival]: a closed loop has no set times (for \
             polls alone, rate = 0)",
        ));
    }
    let every = table.need("every", "every = \"5s\"")?;
    let polling = Polling {
        every: every.duration(MIN_DURATION..=MAX_DURATION)?,
        users: match table.get("users") {
            Some(item) => Some(item.places(1..=population.users, ": there are no more users")?),
            None => None,
        },
        limit: match table.get("limit") {
            Some(item) => limit(&item)?,
            None => DEFAULT_LIMIT,
        },
    };
    let rate = polling.rate(population);
    if rate > MAX_RATE {
        return Err(every.wrong(format!(
            "that would be {rate:.0} polls a second: {MAX_RATE} at most"
        )));
    }
    Ok(polling)
}
