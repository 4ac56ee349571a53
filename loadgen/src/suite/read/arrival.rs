//! `[arrival]`: when operations are due.

use std::path::{self, Path};
use std::time::Duration;

use crate::suite::bounds::{
    CONNECTIONS, MAX_DURATION, MAX_RATE, MAX_STAGES, MIN_DURATION, MIN_RATE, SPEED,
};
use crate::suite::document::{Item, Table, Wrong};
use crate::suite::workload::{Arrival, Spacing, Stage, Think};

/// Connections of an open loop or of a trace, if the file does not say.
pub(in crate::suite) const DEFAULT_CONNECTIONS: usize = 64;

/// The keys of each model, beside `model` itself.
const MODELS: [(&str, &[&str]); 3] = [
    ("closed", &["clients", "think"]),
    ("open", &["connections", "rate", "stages", "spacing"]),
    ("trace", &["file", "speed", "connections"]),
];

pub(in crate::suite) const SPACINGS: [(&str, Spacing); 2] = [
    ("poisson", Spacing::Poisson),
    ("constant", Spacing::Constant),
];

/// Reads it; the recording's path counts from `directory`.
pub(super) fn arrival(item: &Item<'_>, directory: &Path) -> Result<Arrival, Wrong> {
    let table = item.table("a table, as [arrival] with model = \"closed\" and clients = 64")?;
    let Some(model) = table.get("model") else {
        // A misspelt `model` is worth more than that it is missing.
        let mut known: Vec<&str> = vec!["model"];
        for key in MODELS.iter().flat_map(|(_, keys)| *keys) {
            if !known.contains(key) {
                known.push(key);
            }
        }
        table.only(&known)?;
        return Err(table.wrong(
            "missing `model` in [arrival]: \"closed\" (clients that wait for answers), \
             \"open\" (a rate) or \"trace\" (a recording)",
        ));
    };
    let (model, keys) = model.named("model of arrival", &MODELS.map(|model| (model.0, model)))?;
    refuse_others(&table, model, keys)?;
    match model {
        "closed" => closed(&table),
        "open" => open(&table),
        _ => trace(&table, directory),
    }
}

/// Refuses what is unknown, or belongs to another model.
fn refuse_others(table: &Table<'_>, model: &str, keys: &[&str]) -> Result<(), Wrong> {
    for (key, at) in table.keys() {
        let owner = MODELS.iter().find(|(_, keys)| keys.contains(&key));
        if let Some((owner, _)) = owner.filter(|_| !keys.contains(&key)) {
            let known = keys.join(", ");
            let message = format!(
                "`{key}` is of model = \"{owner}\", and this is \"{model}\", which has {known}"
            );
            return Err(Wrong { at, message });
        }
    }
    table.only(&[&["model"], keys].concat())
}

fn closed(table: &Table<'_>) -> Result<Arrival, Wrong> {
    let clients = table.need("clients", "clients = 64")?;
    Ok(Arrival::Closed {
        clients: clients.places(CONNECTIONS, " clients")?,
        think: match table.get("think") {
            Some(item) => think(&item)?,
            None => Think::None,
        },
    })
}

fn think(item: &Item<'_>) -> Result<Think, Wrong> {
    const FORMS: &str = "\"100ms\", { exponential = \"100ms\" } or { uniform = [\"1s\", \"3s\"] }";
    let times = MIN_DURATION..=MAX_DURATION;
    if item.as_text().is_some() {
        return Ok(Think::Fixed(item.duration(times)?));
    }
    if !item.is_table() {
        return Err(item.wanted(FORMS));
    }
    match item.choice(&["exponential", "uniform"], FORMS)? {
        ("exponential", mean) => Ok(Think::Exponential(mean.duration(times)?)),
        (_, range) => {
            let [least, most] = range.pair("two times, as [\"1s\", \"3s\"]")?;
            let from = least.duration(Duration::ZERO..=MAX_DURATION)?;
            let to = most.duration(times)?;
            if from > to {
                return Err(most.wrong("the shorter time comes first, as [\"1s\", \"3s\"]"));
            }
            Ok(Think::Uniform(from, to))
        }
    }
}

fn connections(table: &Table<'_>) -> Result<usize, Wrong> {
    match table.get("connections") {
        Some(item) => item.places(CONNECTIONS, " connections"),
        None => Ok(DEFAULT_CONNECTIONS),
    }
}

fn open(table: &Table<'_>) -> Result<Arrival, Wrong> {
    let stages = match (table.get("rate"), table.get("stages")) {
        (Some(rate), None) => vec![Stage {
            rate: self::rate(&rate)?,
            to: None,
            length: None,
        }],
        (None, Some(item)) => self::stages(&item)?,
        (Some(_), Some(stages)) => {
            return Err(stages.wrong(
                "an open arrival has a rate or stages, not both: a single rate is a stage \
                 without an end",
            ));
        }
        (None, None) => {
            return Err(table.wrong(
                "an open arrival needs a rate, as rate = 2000, or [[arrival.stages]] with a \
                 rate and `for` each",
            ));
        }
    };
    Ok(Arrival::Open {
        connections: connections(table)?,
        spacing: match table.get("spacing") {
            Some(item) => item.named("spacing", &SPACINGS)?,
            None => Spacing::default(),
        },
        stages,
    })
}

fn rate(item: &Item<'_>) -> Result<f64, Wrong> {
    let rate = item.number(0.0..=MAX_RATE, " a second")?;
    if rate > 0.0 && rate < MIN_RATE {
        return Err(item.wrong(format!(
            "a rate of {rate} a second is less than once in an hour: 0, or {MIN_RATE} at least"
        )));
    }
    // Minus zero is zero.
    Ok(rate + 0.0)
}

fn stages(item: &Item<'_>) -> Result<Vec<Stage>, Wrong> {
    let items = item.list(
        MAX_STAGES,
        "[[arrival.stages]] with rate = 500 and for = \"5s\"",
    )?;
    let last = items.len() - 1;
    let stage = |(nth, item): (usize, &Item<'_>)| {
        let table = item.table("tables, as [[arrival.stages]] with rate = 500 and for = \"5s\"")?;
        table.only(&["rate", "to", "for"])?;
        let stage = Stage {
            rate: rate(&table.need("rate", "rate = 500")?)?,
            to: match table.get("to") {
                Some(item) => Some(rate(&item)?),
                None => None,
            },
            length: match table.get("for") {
                Some(item) => Some(item.duration(MIN_DURATION..=MAX_DURATION)?),
                None => None,
            },
        };
        if stage.length.is_some() {
            return Ok(stage);
        }
        if nth != last {
            return Err(table.wrong(
                "missing `for` in [[arrival.stages]], as for = \"5s\": only the last stage may \
                 have no end",
            ));
        }
        match table.get("to") {
            Some(to) => Err(to.wrong(
                "a rate that goes `to` another one needs to know how long it takes, as \
                 for = \"5s\"",
            )),
            None => Ok(stage),
        }
    };
    items.iter().enumerate().map(stage).collect()
}

fn trace(table: &Table<'_>, directory: &Path) -> Result<Arrival, Wrong> {
    let file = table.need("file", "file = \"day.csv\", relative to this file")?;
    let text = file.text("a path, as \"day.csv\"")?;
    if text.is_empty() {
        return Err(file.wrong("name the recording, as file = \"day.csv\""));
    }
    // It stays what it is when the resolved suite is written elsewhere.
    let path = path::absolute(directory.join(text))
        .map_err(|error| file.wrong(format!("cannot tell where {text:?} is: {error}")))?;
    if path.to_str().is_none() {
        let message = "the directory's name is not UTF-8: no file could name the recording";
        return Err(file.wrong(message));
    }
    Ok(Arrival::Trace {
        file: path,
        speed: match table.get("speed") {
            Some(item) => item.number(SPEED, ": 2 is twice as fast as recorded")?,
            None => 1.0,
        },
        connections: connections(table)?,
    })
}
