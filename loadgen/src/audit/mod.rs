//! After a run: every message of every room is read from every replica, and what is there is
//! compared with what was acknowledged; the replicas' digests must agree, too.

mod judge;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use telegraft_cluster::http::api::{DigestAnswer, MessagePage};
use telegraft_cluster::http::{MAX_LIMIT, NodeStatus};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

pub use judge::{Expected, ReplicaAudit, ReplicaView, compare};

use crate::call::{cause, connections};
use crate::findings::Findings;

/// All replicas have applied everything by then: one that was down may have a whole run to
/// catch up with.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often they are asked.
const POLL: Duration = Duration::from_millis(20);
/// One answer of a replica that has nothing else to do.
const ANSWER: Duration = Duration::from_secs(20);
/// A write whose outcome was unknown may still come while the replicas are read; then they
/// are read again. There are only so many of those.
const MAX_ROUNDS: usize = 5;

/// What the audit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything acknowledged is there, on every replica, once.
    Ok,
    /// It is not.
    Violated(Findings),
    /// There is nothing to audit, or nobody wanted to wait for it.
    Skipped,
    /// It could not be made, and why.
    Impossible(String),
}

impl Verdict {
    /// As it stands in `runs.csv`.
    pub fn text(&self) -> String {
        match self {
            Verdict::Ok => "ok".to_owned(),
            Verdict::Skipped => "skipped".to_owned(),
            Verdict::Impossible(why) => format!("not possible: {}", first_line(why)),
            Verdict::Violated(findings) => {
                let first = findings.examples().first().map_or("", String::as_str);
                match findings.count() {
                    1 => first.to_owned(),
                    more => format!("{first} (and {} more findings)", more - 1),
                }
            }
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Audits the replicas at `urls`, which hold everything up to the log index `last_index`.
pub async fn audit(expected: Expected, urls: &[String], last_index: u64) -> Verdict {
    let expected = Arc::new(expected);
    match try_audit(&expected, urls, last_index).await {
        Ok(findings) if findings.is_empty() => Verdict::Ok,
        Ok(findings) => Verdict::Violated(findings),
        Err(why) => Verdict::Impossible(why),
    }
}

async fn try_audit(
    expected: &Arc<Expected>,
    urls: &[String],
    last_index: u64,
) -> Result<Findings, String> {
    let http = connections()?;
    let replicas: Vec<Replica> = (1..)
        .zip(urls)
        .map(|(nth, url)| Replica {
            http: http.clone(),
            url: url.clone(),
            name: format!("{nth}"),
        })
        .collect();
    let mut index = settled(&replicas, last_index).await?;
    for _ in 0..MAX_ROUNDS {
        let views = each(&replicas, |replica| {
            let expected = Arc::clone(expected);
            async move { replica.read_all(&expected, index).await }
        })
        .await?;
        let digests = each(
            &replicas,
            |replica| async move { replica.digest(index).await },
        )
        .await?;
        let now = settled(&replicas, index).await?;
        let mut findings = compare(views);
        compare_digests(&mut findings, &digests, index);
        // Whatever came meanwhile may be on one replica's pages and not on another's.
        if now == index || findings.is_empty() {
            return Ok(findings);
        }
        index = now;
    }
    Err("the replicas go on applying entries though nobody writes".to_owned())
}

fn compare_digests(findings: &mut Findings, digests: &[DigestAnswer], index: u64) {
    let Some((first, others)) = digests.split_first() else {
        return;
    };
    for (nth, other) in (2..).zip(others) {
        if other.digest != first.digest {
            findings.add(|| {
                format!(
                    "the digests of replicas 1 and {nth} at index {index} differ: {} and {}",
                    first.digest, other.digest
                )
            });
        }
    }
}

/// Waits until all replicas have applied the whole log, `last_index` at least: the index.
async fn settled(replicas: &[Replica], last_index: u64) -> Result<u64, String> {
    let deadline = Instant::now() + CATCH_UP;
    let mut before = None;
    loop {
        let statuses = each(replicas, |replica| async move {
            // One that was just started does not listen yet.
            Ok(replica.get::<NodeStatus>("/v1/status").await)
        })
        .await?;
        let applied: Vec<u64> = statuses
            .iter()
            .flatten()
            .map(|status| status.applied_index)
            .collect();
        let lasts = statuses.iter().flatten().map(|status| status.last_index);
        let last = lasts.max().unwrap_or(0).max(last_index);
        let whole = applied.len() == replicas.len() && applied.iter().all(|index| *index == last);
        // Twice, because what is in a mailbox is in no log yet.
        if whole && before == Some(last) {
            return Ok(last);
        }
        before = whole.then_some(last);
        if Instant::now() >= deadline {
            let told: Vec<String> = (1..)
                .zip(statuses)
                .map(|(nth, status)| match status {
                    Ok(status) => {
                        format!("{nth}: {} of {}", status.applied_index, status.last_index)
                    }
                    Err(why) => format!("{nth}: {why}"),
                })
                .collect();
            return Err(format!(
                "the replicas have not applied everything up to index {last} within {} s: {}",
                CATCH_UP.as_secs(),
                told.join("; ")
            ));
        }
        sleep(POLL).await;
    }
}

/// Asks all replicas at once; the answers in their order.
async fn each<R, F>(replicas: &[Replica], ask: impl Fn(Replica) -> F) -> Result<Vec<R>, String>
where
    F: Future<Output = Result<R, String>> + Send + 'static,
    R: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (nth, replica) in replicas.iter().enumerate() {
        let name = replica.name.clone();
        let answer = ask(replica.clone());
        tasks.spawn(async move {
            let told = |why| format!("replica {name}: {why}");
            (nth, answer.await.map_err(told))
        });
    }
    let mut answers = Vec::new();
    while let Some(task) = tasks.join_next().await {
        let (nth, answer) = task.map_err(|error| format!("the audit failed: {error}"))?;
        answers.push((nth, answer?));
    }
    answers.sort_unstable_by_key(|(nth, _)| *nth);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

#[derive(Clone, Debug)]
struct Replica {
    http: reqwest::Client,
    url: String,
    name: String,
}

impl Replica {
    /// Reads all messages of all rooms, as they are once `index` is applied.
    async fn read_all(self, expected: &Expected, index: u64) -> Result<ReplicaView, String> {
        let mut audit = ReplicaAudit::new(expected, self.name.clone());
        for (room, room_id) in expected.rooms.iter().enumerate() {
            loop {
                let after = audit.last(room);
                let path = format!(
                    "/v1/rooms/{room_id}/messages?after={after}&limit={MAX_LIMIT}\
                     &consistency=local&min_index={index}"
                );
                let (status, bytes) = self.answer(&path).await?;
                if status == StatusCode::NOT_FOUND {
                    audit.no_room(room);
                    break;
                }
                let bytes = ok(&path, status, bytes)?;
                let page: MessagePage<'_> = parse(&path, &bytes)?;
                for message in &page.messages {
                    audit.message(room, message);
                }
                // A page that brings nothing new ends it, be it empty or nonsense.
                if page.messages.len() < MAX_LIMIT || audit.last(room) == after {
                    break;
                }
            }
        }
        Ok(audit.finish())
    }

    async fn digest(self, index: u64) -> Result<DigestAnswer, String> {
        self.get(&format!("/v1/digest?index={index}")).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        parse(path, &self.bytes(path).await?)
    }

    async fn bytes(&self, path: &str) -> Result<Bytes, String> {
        let (status, bytes) = self.answer(path).await?;
        ok(path, status, bytes)
    }

    async fn answer(&self, path: &str) -> Result<(StatusCode, Bytes), String> {
        let answer = async {
            let response = self.http.get(format!("{}{path}", self.url)).send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        };
        timeout(ANSWER, answer)
            .await
            .map_err(|_| format!("GET {path}: no answer within {} s", ANSWER.as_secs()))?
            .map_err(|error| format!("GET {path}: {}", cause(&error)))
    }
}

fn ok(path: &str, status: StatusCode, bytes: Bytes) -> Result<Bytes, String> {
    if status == StatusCode::OK {
        Ok(bytes)
    } else {
        let text = String::from_utf8_lossy(&bytes);
        Err(format!("GET {path}: {status}: {text}"))
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(path: &str, bytes: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes)
        .map_err(|error| format!("GET {path}: the answer cannot be read: {error}"))
}
