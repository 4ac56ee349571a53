//! Looks at the replicas while they are under fire: who leads, and whether they agree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::StatusCode;
use telegraft_cluster::http::NodeStatus;
use telegraft_cluster::http::api::DigestAnswer;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::board::Board;
use super::journal::Journal;
use crate::engine::Stop;
use crate::results::{EventRow, SCHEMA_VERSION};

/// A replica that does not answer by then does not know who leads, either.
const ANSWER: Duration = Duration::from_millis(400);
/// How often they are looked at.
const EVERY: Duration = Duration::from_millis(250);
/// How often their digests are compared, counted in looks.
const DIGESTS_EVERY: u64 = 8;

/// Asks the replicas how they are.
#[derive(Clone, Debug)]
pub(super) struct Lookout {
    http: reqwest::Client,
    /// By id, from 1.
    urls: Arc<[String]>,
}

/// How the replicas that answered are, by id.
pub(super) type View = BTreeMap<u64, NodeStatus>;

/// Who leads: who says so, in the highest term.
pub(super) fn leader(view: &View) -> Option<(u64, u64)> {
    let leaders = view.iter().filter(|(_, status)| status.role == "leader");
    let leader = leaders.max_by_key(|(_, status)| status.term);
    leader.map(|(id, status)| (*id, status.term))
}

impl Lookout {
    pub(super) fn new(urls: &[String]) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER)
            .pool_idle_timeout(None)
            .build()
            .map_err(|error| format!("cannot make an HTTP client: {error}"))?;
        Ok(Lookout {
            http,
            urls: urls.into(),
        })
    }

    /// How they are now.
    pub(super) async fn look(&self) -> View {
        let ids = 1..=self.urls.len() as u64;
        self.ask(ids, "/v1/status").await
    }

    /// The digests at `index` of the replicas that have it.
    pub(super) async fn digests(&self, ids: Vec<u64>, index: u64) -> BTreeMap<u64, DigestAnswer> {
        let path = format!("/v1/digest?index={index}");
        self.ask(ids, &path).await
    }

    async fn ask<T: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        ids: impl IntoIterator<Item = u64>,
        path: &str,
    ) -> BTreeMap<u64, T> {
        let mut asked = JoinSet::new();
        for (id, url) in (1..).zip(self.urls.iter()).filter({
            let ids: Vec<u64> = ids.into_iter().collect();
            move |(id, _)| ids.contains(id)
        }) {
            let request = self.http.get(format!("{url}{path}"));
            asked.spawn(async move {
                let answer = request.send().await.ok()?;
                if answer.status() != StatusCode::OK {
                    return None;
                }
                let bytes = answer.bytes().await.ok()?;
                Some((id, serde_json::from_slice(&bytes).ok()?))
            });
        }
        asked.join_all().await.into_iter().flatten().collect()
    }
}

/// Watches until `stop`: puts the leader on the board and writes digests into the history. The
/// changes of leader, as rows.
pub(super) async fn watch(
    lookout: Lookout,
    board: Arc<Board>,
    journal: Arc<Journal>,
    run_id: String,
    from: Instant,
    stop: Stop,
) -> Vec<EventRow> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut rows, mut last, mut looks) = (Vec::new(), None, 0_u64);
    while !stop.is_stopped() {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.stopped() => break,
        }
        let view = lookout.look().await;
        let now = leader(&view);
        board
            .leader
            .store(now.map_or(0, |(id, _)| id), Ordering::Relaxed);
        if let Some((id, term)) = now
            && last.is_none_or(|(_, before)| term > before)
        {
            if last.is_some() {
                rows.push(EventRow {
                    schema_version: SCHEMA_VERSION,
                    run_id: run_id.clone(),
                    at_s: seconds_since(from),
                    event: "leader".to_owned(),
                    replica: id,
                    detail: format!("term {term}"),
                });
            }
            last = now;
        }
        looks += 1;
        if looks % DIGESTS_EVERY == 0 {
            compare(&lookout, &journal, &view).await;
        }
    }
    rows
}

/// Writes the digests at the index that all who answered have applied.
async fn compare(lookout: &Lookout, journal: &Journal, view: &View) {
    let Some(index) = view.values().map(|status| status.applied_index).min() else {
        return;
    };
    let ids = view.keys().copied().collect();
    for (id, answer) in lookout.digests(ids, index).await {
        journal.digest(id, answer.index, &answer.digest);
    }
}

/// To a millisecond, as `events.csv` has it.
pub(super) fn seconds_since(from: Instant) -> f64 {
    (from.elapsed().as_secs_f64() * 1e3).round() / 1e3
}
