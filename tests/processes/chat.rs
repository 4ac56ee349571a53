//! A client of the chat, as patient as the guarantees allow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, POLL, until};

/// How long one answer may take: longer than the server's own deadline.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Messages asked for at once.
const PAGE: usize = 100;

/// What a replica answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.body[field]
            .as_u64()
            .unwrap_or_else(|| panic!("no number {field} in {self:?}"))
    }

    /// The name of a problem.
    pub(crate) fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        kind.strip_prefix("urn:telegraft:problem:").unwrap_or(kind)
    }
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_TIMEOUT)
        .build()
        .expect("a client")
}

pub(crate) async fn get(http: &reqwest::Client, url: &str) -> Result<Answer, reqwest::Error> {
    answer(http.get(url)).await
}

pub(crate) async fn post(
    http: &reqwest::Client,
    url: &str,
    key: Option<&str>,
    body: &Value,
) -> Result<Answer, reqwest::Error> {
    let mut request = http
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_string());
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    answer(request).await
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await?;
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(Answer { status, body })
}

/// One counter of a replica's metrics, zero when it is not there yet.
pub(crate) async fn metric(http: &reqwest::Client, url: &str, name: &str) -> f64 {
    let answer = get(http, &format!("{url}/metrics"))
        .await
        .expect("metrics are served");
    let text = answer.body.as_str().expect("metrics are text").to_owned();
    text.lines()
        .filter_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
        .sum()
}

/// A room, a member of it, and the replicas to reach it by.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) http: reqwest::Client,
    pub(crate) urls: Vec<String>,
    pub(crate) user: u64,
    pub(crate) room: u64,
}

/// A message that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) seq: u64,
}

/// A client's session; its writes are numbered.
#[derive(Debug)]
pub(crate) struct Session {
    id: u64,
    next: u64,
}

impl Session {
    pub(crate) fn next_key(&mut self) -> String {
        self.next += 1;
        format!("{}/{}", self.id, self.next)
    }
}

impl Chat {
    /// Makes a user and a room of its own.
    pub(crate) async fn new(urls: Vec<String>) -> Chat {
        let mut chat = Chat {
            http: http(),
            urls,
            user: 0,
            room: 0,
        };
        let mut session = chat.session().await;
        let name = json!({"name": "ada"});
        let user = chat.insist("/v1/users", &session.next_key(), &name).await;
        assert_eq!(user.status, 201, "{user:?}");
        chat.user = user.number("user_id");
        let room = json!({"name": "engines", "description": "", "creator": chat.user});
        let room = chat.insist("/v1/rooms", &session.next_key(), &room).await;
        assert_eq!(room.status, 201, "{room:?}");
        chat.room = room.number("room_id");
        chat
    }

    /// A new session. One that is made in vain does no harm.
    pub(crate) async fn session(&self) -> Session {
        let mut attempt = 0;
        let id = until("a session", async || {
            attempt += 1;
            let url = &self.urls[attempt % self.urls.len()];
            let url = format!("{url}/v1/sessions");
            let made = post(&self.http, &url, None, &json!({})).await.ok()?;
            (made.status == 201).then(|| made.number("session_id"))
        });
        Session {
            id: id.await,
            next: 0,
        }
    }

    /// A write with a key, tried again through one replica after the other until its outcome
    /// is known.
    pub(crate) async fn insist(&self, path: &str, key: &str, body: &Value) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        for url in self.urls.iter().cycle() {
            let answer = post(&self.http, &format!("{url}{path}"), Some(key), body).await;
            match answer {
                Ok(answer) if !matches!(answer.status, 503 | 504) => return answer,
                _ => {}
            }
            assert!(
                Instant::now() < deadline,
                "{path} with key {key}, not within {PATIENCE:?}; the last answer: {answer:?}"
            );
            tokio::time::sleep(POLL).await;
        }
        unreachable!("there are replicas")
    }

    pub(crate) fn messages_path(&self) -> String {
        format!("/v1/rooms/{}/messages", self.room)
    }

    pub(crate) fn message(&self, text: &str) -> Value {
        json!({"author": self.user, "body": text})
    }

    /// Sends one message, however long it takes.
    pub(crate) async fn send(&self, key: &str, text: &str) -> Sent {
        let sent = self
            .insist(&self.messages_path(), key, &self.message(text))
            .await;
        assert_eq!(sent.status, 201, "{text:?} with key {key}: {sent:?}");
        Sent {
            key: key.to_owned(),
            text: text.to_owned(),
            seq: sent.number("seq"),
        }
    }

    /// All messages of the room, by one replica, numbered from 1 without gaps.
    ///
    /// # Errors
    /// Whatever it answers instead.
    pub(crate) async fn try_read(
        &self,
        url: &str,
        consistency: &str,
    ) -> Result<Vec<String>, String> {
        let mut texts: Vec<String> = Vec::new();
        loop {
            let after = texts.len();
            let page = format!(
                "{url}{}?after={after}&limit={PAGE}&consistency={consistency}",
                self.messages_path()
            );
            let page = get(&self.http, &page)
                .await
                .map_err(|error| error.to_string())?;
            let Some(messages) = page.body["messages"].as_array() else {
                return Err(format!("{page:?}"));
            };
            for message in messages {
                assert_eq!(message["seq"].as_u64(), Some(texts.len() as u64 + 1));
                let text = message["body"].as_str().expect("a message has a text");
                texts.push(text.to_owned());
            }
            if messages.len() < PAGE {
                return Ok(texts);
            }
        }
    }

    /// All messages, by a linearizable read of one replica, as soon as it serves.
    pub(crate) async fn read(&self, url: &str) -> Vec<String> {
        let what = format!("{url} serves reads");
        until(&what, async || {
            self.try_read(url, "linearizable").await.ok()
        })
        .await
    }

    /// Every replica has every message of `sent` where it was acknowledged, and no other
    /// message, and none twice.
    pub(crate) async fn holds_exactly(&self, sent: &[Sent]) {
        let expected: BTreeMap<u64, &str> = sent
            .iter()
            .map(|sent| (sent.seq, sent.text.as_str()))
            .collect();
        assert_eq!(expected.len(), sent.len(), "a number was given out twice");
        for url in &self.urls {
            let texts = self.read(url).await;
            let found: BTreeMap<u64, &str> = (1..).zip(texts.iter().map(String::as_str)).collect();
            assert!(
                found == expected,
                "{url}: lost {:?}, not acknowledged {:?}",
                difference(&expected, &found),
                difference(&found, &expected),
            );
        }
    }
}

fn difference<'a>(
    one: &BTreeMap<u64, &'a str>,
    other: &BTreeMap<u64, &str>,
) -> Vec<(u64, &'a str)> {
    let missing = one
        .iter()
        .filter(|(seq, text)| other.get(seq) != Some(text));
    missing.map(|(seq, text)| (*seq, *text)).take(10).collect()
}

/// Clients that send as fast as they can, each with a session of its own; every message is tried
/// again with its key until it is acknowledged.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Vec<Sent>>>,
}

impl Load {
    pub(crate) async fn start(chat: &Chat, clients: usize) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for client in 0..clients {
            let mut session = chat.session().await;
            let (chat, stop) = (chat.clone(), Arc::clone(&stop));
            let acknowledged = Arc::clone(&acknowledged);
            tasks.push(tokio::spawn(async move {
                let mut sent = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let text = format!("client {client} message {}", sent.len());
                    sent.push(chat.send(&session.next_key(), &text).await);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                sent
            }));
        }
        Load {
            stop,
            acknowledged,
            clients: tasks,
        }
    }

    /// Waits until `more` more messages are acknowledged.
    pub(crate) async fn goes_on(&self, more: usize) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + more;
        let what = format!("{more} more messages are acknowledged");
        until(&what, async || {
            (self.acknowledged.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
    }

    /// Ends it; all that was acknowledged. Each client finishes its last message.
    pub(crate) async fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.await.expect("a client does not fail"));
        }
        all
    }
}
