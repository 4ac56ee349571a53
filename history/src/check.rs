//! Checks a history: reads it, lets the judges look at it, explains what they found.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::error::HistoryError;
use crate::explain::explain;
use crate::feed::{Batch, End, MAX_BATCHES, feed};
use crate::found::Found;
use crate::load::{COUNTERS, Loader};
use crate::memory::History;
use crate::op::Kind;
use crate::options::CheckOptions;
use crate::places::Places;
use crate::store::{Ending, Store};
use crate::sweep::{ENDS, sweep};
use crate::verdict::{Operations, Verdict};
use crate::{inboxes, log_order, pages, unplaced};

/// Checks the history in a file.
pub fn check_file(path: &Path, options: &CheckOptions<'_>) -> Result<Verdict, HistoryError> {
    let unreadable = |error| HistoryError::Read {
        path: path.to_owned(),
        error,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    // A thread takes the lines apart ahead of the one that puts them together.
    let (to, batches) = sync_channel(MAX_BATCHES);
    let loaded = thread::scope(|scope| {
        let mut loading = Loading::new(path, options);
        scope.spawn(|| feed(&mut file, options.stop, move |batch| to.send(batch).is_ok()));
        for batch in batches {
            loading.take(batch)?;
        }
        Ok(loading.loader)
    })?;
    judge(loaded.finish(), &mut file, path, options)
}

/// Checks the lines of a history.
pub fn check_bytes(lines: &[u8], options: &CheckOptions<'_>) -> Result<Verdict, HistoryError> {
    let path = Path::new("history");
    let mut loading = Loading::new(path, options);
    let mut done = Ok(());
    feed(lines, options.stop, |batch| {
        done = loading.take(batch);
        done.is_ok()
    });
    done?;
    judge(
        loading.loader.finish(),
        &mut Cursor::new(lines),
        path,
        options,
    )
}

/// Checks a history in memory.
///
/// # Panics
///
/// If it was not recorded as histories are: a process that does two things at once, an id that
/// was sent twice. [`check_bytes`] of its lines tells that as an error.
pub fn check(history: &History) -> Verdict {
    match check_bytes(history.as_bytes(), &CheckOptions::default()) {
        Ok(verdict) => verdict,
        Err(error) => panic!("the recorder of this history is wrong: {error}"),
    }
}

/// A history that is being read.
struct Loading<'a> {
    loader: Loader,
    path: &'a Path,
    options: &'a CheckOptions<'a>,
}

impl<'a> Loading<'a> {
    fn new(path: &'a Path, options: &'a CheckOptions<'a>) -> Self {
        Loading {
            loader: Loader::new(),
            path,
            options,
        }
    }

    fn take(&mut self, batch: Batch) -> Result<(), HistoryError> {
        if let Some(progress) = self.options.progress {
            progress(batch.offset);
        }
        self.loader.block_at(batch.offset);
        let mut values = batch.values.as_slice();
        for entry in batch.entries {
            let line = self.loader.next_line();
            self.loader
                .take(entry, &mut values)
                .map_err(|why| self.malformed(line, why))?;
        }
        let line = self.loader.next_line();
        match batch.end {
            None | Some(End::Whole) => Ok(()),
            Some(End::Torn) => {
                self.loader.note(format!(
                    "The last line, {line}, is torn: it is passed over, and what was open then has \
                     an unknown outcome."
                ));
                Ok(())
            }
            Some(End::Malformed(why)) => Err(self.malformed(line, why)),
            Some(End::TooLong) => Err(HistoryError::LineTooLong {
                path: self.path.to_owned(),
                line,
            }),
            Some(End::Unreadable(error)) => Err(HistoryError::Read {
                path: self.path.to_owned(),
                error,
            }),
            Some(End::Stopped) => Err(HistoryError::Interrupted),
        }
    }

    fn malformed(&self, line: usize, why: String) -> HistoryError {
        HistoryError::Malformed {
            path: PathBuf::from(self.path),
            line,
            why,
        }
    }
}

fn judge(
    store: Store,
    source: &mut (impl Read + Seek),
    path: &Path,
    options: &CheckOptions<'_>,
) -> Result<Verdict, HistoryError> {
    let go_on = || match options.stop {
        Some(stop) if stop.load(Ordering::Relaxed) => Err(HistoryError::Interrupted),
        _ => Ok(()),
    };
    let mut found = Found::default();
    let mut places = Places::of_acknowledged(&store, &mut found);
    pages::witness(&store, &mut places, &mut found);
    inboxes::witness(&store, &mut places, &mut found);
    places.settle(&store, &mut found);
    go_on()?;
    pages::judge(&store, &places, &mut found);
    go_on()?;
    let swept = sweep(&store, &places, &mut found);
    go_on()?;
    log_order::judge(&store, &places, &mut found);
    inboxes::judge(&store, &places, &mut found);
    let unknown_implied = unplaced::judge(&store, &places, &swept, &mut found);
    let digests_compared = log_order::digests(&store, &mut found);

    let violated = found
        .counts
        .iter()
        .map(|(rule, &count)| (rule.name().to_owned(), count))
        .collect();
    let first = found.first(options.max_explained, &store);
    let violations =
        explain(&store, source, first).map_err(|error: io::Error| HistoryError::Read {
            path: path.to_owned(),
            error,
        })?;
    let appeared = |send: &&crate::store::Send| {
        send.ending == Ending::Unknown && places.seen[send.message as usize]
    };
    let operations = COUNTERS.iter().zip(store.outcomes);
    let operations = operations.map(|(&(kind, consistency), outcomes)| Operations {
        kind,
        consistency,
        ok: outcomes.ok,
        failed: outcomes.failed,
        unknown: outcomes.unknown,
    });
    let operations: Vec<Operations> = operations
        .filter(|all| all.kind == Kind::Send || all.ok + all.failed + all.unknown > 0)
        .collect();
    let mut faults = std::collections::BTreeMap::new();
    let begun = store.faults.iter();
    for (_, fault) in begun.filter(|(_, fault)| !ENDS.contains(&&*fault.f)) {
        *faults.entry(fault.f.clone()).or_insert(0) += 1;
    }
    let mut notes = store.notes;
    if operations.iter().all(|all| all.ok == 0) {
        notes.push("No operation succeeded: nothing was checked.".to_owned());
    }
    let lines = store.clock.lines();
    Ok(Verdict {
        violations,
        violated,
        lines: lines.into(),
        span_ns: match lines {
            0 => 0,
            lines => {
                let (first, last) = (store.clock.line(1), store.clock.line(lines));
                store.clock.time(last) - store.clock.time(first)
            }
        },
        operations,
        rooms: store.rooms.len() as u64,
        acknowledged: store.outcomes[0].ok,
        unknown_sends: store.outcomes[0].unknown,
        unknown_appeared: store.sends.iter().filter(appeared).count() as u64,
        unknown_implied,
        values_read: (store.values.len() + store.inbox_values.len()) as u64,
        staleness: swept.staleness,
        longest_outage_ns: swept.longest_outage_ns,
        faults,
        digests_compared,
        notes,
    })
}
