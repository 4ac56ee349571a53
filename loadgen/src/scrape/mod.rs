//! What the replicas do while a load runs: each is asked once a second, by HTTP.
//!
//! | file | subject |
//! |---|---|
//! | `replica.rs` | asking one replica, and the row that two of its answers make |
//! | `stages.rs` | what its stages cost over the whole window |
//! | `leaders.rs` | changes of leader |
//! | `metrics.rs` | what is taken from its `/metrics` |
//! | `exposition.rs` | the text of `/metrics` |
//! | `histogram.rs` | differences and percentiles of its histograms |
//!
//! It runs beside the load, so it must be cheap: two small requests to each replica a second,
//! which for five replicas took 2 ms of processor time, the answering included. No replica waits
//! for another.

mod exposition;
mod histogram;
mod leaders;
mod metrics;
mod replica;
mod stages;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use self::leaders::{Changes, leader};
use self::replica::{Addresses, Scrape, unreachable};
use self::stages::Stages;
use crate::call::connections;
use crate::results::{ClusterRow, EventRow, StageRow};
use crate::routes::Routes;
use crate::suite::Targets;

/// From scrape to scrape.
const SECOND: Duration = Duration::from_secs(1);
/// How long a replica may take to answer. Below a second, so that the next scrape is in time.
const SCRAPE_TIMEOUT: Duration = Duration::from_millis(800);
/// A scrape that is due so soon when the load ends is still made: timers round, and the last
/// second of a run is one of it.
const LAST_WAIT: Duration = Duration::from_millis(50);
/// Seconds that are recorded, at most: no run counts for more than an hour. A row has some 300
/// bytes, so that an hour of nine replicas is some 10 MB.
const MAX_SECONDS: u32 = 3600;

/// Scrapes the replicas of a cluster.
#[derive(Debug)]
pub struct Scraper {
    run_id: String,
    http: reqwest::Client,
    replicas: Arc<[Addresses]>,
    leader: watch::Sender<Option<u64>>,
}

/// What the replicas told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scraped {
    /// Second by second.
    pub cluster: Vec<ClusterRow>,
    /// What their stages cost from the first scrape to the last.
    pub stages: Vec<StageRow>,
    /// Changes of leader.
    pub events: Vec<EventRow>,
}

/// What one round of scrapes has brought, by the replicas' places; none where nothing came.
type Round = Vec<Option<Scrape>>;

impl Scraper {
    /// A scraper of the replicas at `urls`, as `http://127.0.0.1:8351`, for the rows of a run.
    ///
    /// # Errors
    /// When there is no replica, or one of the addresses is no URL.
    pub fn new(run_id: String, urls: &[String]) -> Result<Scraper, String> {
        let routes = Routes::new(urls, Targets::Any)?;
        let addresses = (0..routes.count()).map(|place| Addresses {
            status: routes.url(place, "/v1/status"),
            metrics: routes.url(place, "/metrics"),
        });
        Ok(Scraper {
            run_id,
            http: connections()?,
            replicas: addresses.collect(),
            leader: watch::Sender::new(None),
        })
    }

    /// The leader's id, as the replicas told at the last scrape; none when none of them knew
    /// one. It is marked as changed after every scrape.
    pub fn leader(&self) -> watch::Receiver<Option<u64>> {
        self.leader.subscribe()
    }

    /// Scrapes at `from`, one second later, and so on, until `until` completes. The rows, second
    /// by second: that of second `s` describes [`from` + `s`, `from` + `s` + 1), and needs the
    /// scrapes at both ends; the second in which `until` completes has none.
    ///
    /// A second at whose end this was not run (the machine had other things to do) has no row,
    /// and the next one no rates. Nothing is recorded beyond the first hour.
    pub async fn run(self, from: Instant, until: impl Future<Output = ()>) -> Scraped {
        let mut until = pin!(until);
        let mut ended = false;
        let mut rows = Rows::new(self.run_id.clone(), self.replicas.len(), from);
        let mut number = 0;
        while number <= MAX_SECONDS {
            let due = from + SECOND * number;
            if !ended {
                tokio::select! {
                    biased;
                    () = sleep_until(due) => {}
                    () = &mut until => ended = true,
                }
            }
            if ended {
                if due > Instant::now() + LAST_WAIT {
                    break;
                }
                sleep_until(due).await;
            }
            // What is late belongs to the second that it is in.
            let late = due.elapsed().as_secs();
            number = number.saturating_add(u32::try_from(late).unwrap_or(u32::MAX));
            let mut scraping = pin!(self.round());
            let round = loop {
                tokio::select! {
                    biased;
                    round = &mut scraping => break round,
                    // The load may be driven by this.
                    () = &mut until, if !ended => ended = true,
                }
            };
            self.leader.send_replace(leader(&round));
            rows.add(number, round);
            number = number.saturating_add(1);
        }
        if !ended {
            until.await;
        }
        rows.finish()
    }

    /// Asks every replica at once.
    async fn round(&self) -> Round {
        let mut asking = JoinSet::new();
        for place in 0..self.replicas.len() {
            let (http, replicas) = (self.http.clone(), Arc::clone(&self.replicas));
            asking.spawn(async move {
                let scrape = Scrape::take(&http, &replicas[place]);
                let scrape = timeout(SCRAPE_TIMEOUT, scrape).await;
                (
                    place,
                    scrape.unwrap_or_else(|_| Err("no answer in time".to_owned())),
                )
            });
        }
        let mut round: Round = self.replicas.iter().map(|_| None).collect();
        while let Some(asked) = asking.join_next().await {
            match asked {
                Ok((place, Ok(scrape))) => round[place] = Some(scrape),
                Ok((place, Err(why))) => tracing::debug!(place, why, "a replica did not answer"),
                Err(error) => tracing::error!(%error, "a scrape failed"),
            }
        }
        round
    }
}

/// The rows of a run.
struct Rows {
    run_id: String,
    rows: Vec<ClusterRow>,
    /// The number of the last round, and what it brought.
    last: Option<(u32, Round)>,
    /// The replicas' ids by their places: counted as clusters do, until they tell.
    ids: Vec<u64>,
    /// By the replicas' places.
    stages: Vec<Stages>,
    changes: Changes,
}

impl Rows {
    fn new(run_id: String, replicas: usize, from: Instant) -> Self {
        Rows {
            changes: Changes::new(run_id.clone(), from),
            stages: (0..replicas).map(|_| Stages::default()).collect(),
            run_id,
            rows: Vec::new(),
            last: None,
            ids: (1..).take(replicas).collect(),
        }
    }

    /// A round ends the second before its number.
    fn add(&mut self, number: u32, round: Round) {
        for ((id, stages), scrape) in self.ids.iter_mut().zip(&mut self.stages).zip(&round) {
            if let Some(scrape) = scrape {
                *id = scrape.status.id;
                stages.see(&scrape.metrics);
            }
        }
        self.changes.see(&round);
        if let Some(second) = number.checked_sub(1) {
            let answers = round.iter().flatten();
            let highest = answers.map(|scrape| scrape.status.last_index).max();
            let begun = self.last.as_ref().filter(|(last, _)| *last == second);
            for (place, scrape) in round.iter().enumerate() {
                let earlier = begun.and_then(|(_, round)| round[place].as_ref());
                self.rows.push(match scrape {
                    Some(scrape) => scrape.row(&self.run_id, second, highest.unwrap_or(0), earlier),
                    None => unreachable(&self.run_id, second),
                });
            }
        }
        self.last = Some((number, round));
    }

    /// All rows, each with its replica's id.
    fn finish(mut self) -> Scraped {
        let ids = self.ids.iter().cycle();
        for (row, id) in self.rows.iter_mut().zip(ids) {
            row.replica = *id;
        }
        let stages = self.ids.into_iter().zip(self.stages);
        Scraped {
            cluster: self.rows,
            stages: stages
                .flat_map(|(id, stages)| stages.rows(&self.run_id, id))
                .collect(),
            events: self.changes.events,
        }
    }
}
