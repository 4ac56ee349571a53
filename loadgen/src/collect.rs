//! Puts the seconds of all threads together, and writes them as the run goes on: what is kept of
//! a run does not grow with the operations in it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::plan::Kind;
use crate::recorder::{ByKind, Counts, Second, Window, add};
use crate::results::{HlogWriter, IntervalRow, ResultsError, SCHEMA_VERSION, SERVICE_SUFFIX};

/// Everything that was measured, put together.
#[derive(Debug)]
pub struct Collected {
    /// Each kind over the whole window.
    pub total: Box<ByKind>,
    /// Each kind in each second.
    pub rows: Vec<IntervalRow>,
    /// Successful operations of each second, all kinds together.
    pub ok: Vec<u64>,
    /// Median response time of each second, in microseconds, all kinds together.
    pub p50_us: Vec<u64>,
}

/// One second, for whoever looks on.
#[derive(Debug)]
pub struct Tick {
    /// Which, from the window's beginning.
    pub second: usize,
    /// All kinds together.
    pub counts: Counts,
    /// Operations that were due and not taken up at its end.
    pub queued: u64,
}

/// Collects a run.
#[derive(Debug)]
pub struct Collector {
    run_id: String,
    kinds: Vec<Kind>,
    threads: usize,
    window: Window,
    /// Seconds that some threads have told of, and how many: at most as many as the slowest of
    /// them is behind.
    pending: BTreeMap<usize, (usize, Box<ByKind>, u64)>,
    hlog: HlogWriter,
    collected: Collected,
}

impl Collector {
    /// Collects the run `run_id` from `threads` threads; `hlog` gets a histogram for each second.
    pub fn new(
        run_id: &str,
        kinds: Vec<Kind>,
        threads: usize,
        window: Window,
        hlog: HlogWriter,
    ) -> Self {
        Collector {
            run_id: run_id.to_owned(),
            kinds,
            threads,
            window,
            pending: BTreeMap::new(),
            hlog,
            collected: Collected {
                total: Box::default(),
                rows: Vec::new(),
                ok: Vec::new(),
                p50_us: Vec::new(),
            },
        }
    }

    /// Collects until all threads are done.
    ///
    /// # Errors
    /// When the histograms cannot be written.
    pub async fn run(
        mut self,
        mut seconds: mpsc::Receiver<Second>,
        mut look: impl FnMut(Tick),
    ) -> Result<Collected, ResultsError> {
        while let Some(second) = seconds.recv().await {
            let threads = self.threads;
            let pending = self.pending.entry(second.second).or_default();
            pending.0 += 1;
            add(&mut pending.1, &second.counts);
            pending.2 += second.queued;
            if pending.0 == threads
                && let Some((_, counts, queued)) = self.pending.remove(&second.second)
            {
                look(self.emit(second.second, &counts, queued)?);
            }
        }
        // Threads that ended early have not told of every second.
        for (second, (_, counts, queued)) in std::mem::take(&mut self.pending) {
            self.emit(second, &counts, queued)?;
        }
        self.hlog.finish()?;
        Ok(self.collected)
    }

    fn emit(&mut self, second: usize, counts: &ByKind, queued: u64) -> Result<Tick, ResultsError> {
        let start = Duration::from_secs(second as u64);
        let length = self.window.length().saturating_sub(start);
        let length = length.min(Duration::from_secs(1));
        let mut all = Counts::default();
        for kind in &self.kinds {
            let counts = &counts[kind.index()];
            write(&mut self.hlog, *kind, start, length, counts)?;
            let row = self.row(second, *kind, counts, queued);
            self.collected.rows.push(row);
            all.add(counts);
        }
        self.collected.ok.push(all.ok);
        let p50_us = all.response.value_at_quantile(0.5);
        self.collected.p50_us.push(p50_us);
        add(&mut self.collected.total, counts);
        Ok(Tick {
            second,
            counts: all,
            queued,
        })
    }

    fn row(&self, second: usize, kind: Kind, counts: &Counts, queued: u64) -> IntervalRow {
        let (response, service) = (&counts.response, counts.service());
        let some = !response.is_empty();
        let troubles = counts.troubles.iter();
        let failures: Vec<String> = troubles
            .map(|(trouble, count)| format!("{trouble}:{count}"))
            .collect();
        IntervalRow {
            schema_version: SCHEMA_VERSION,
            run_id: self.run_id.clone(),
            second: u32::try_from(second).expect("runs are bounded"),
            op: kind.name().to_owned(),
            ok: counts.ok,
            failed: counts.failed,
            unknown: counts.unknown,
            response_p50_us: some.then(|| response.value_at_quantile(0.5)),
            response_p99_us: some.then(|| response.value_at_quantile(0.99)),
            response_max_us: some.then(|| response.max()),
            failures: failures.join(" "),
            unfinished: counts.unfinished,
            retries: counts.retries,
            service_p50_us: some.then(|| service.value_at_quantile(0.5)),
            service_p99_us: some.then(|| service.value_at_quantile(0.99)),
            queued: Some(queued),
        }
    }
}

/// Writes the two histograms of a kind.
///
/// # Errors
/// When they cannot be written.
pub fn write(
    hlog: &mut HlogWriter,
    kind: Kind,
    start: Duration,
    length: Duration,
    counts: &Counts,
) -> Result<(), ResultsError> {
    hlog.write(kind.name(), start, length, &counts.response)?;
    let service = format!("{}{SERVICE_SUFFIX}", kind.name());
    hlog.write(&service, start, length, counts.service())
}
