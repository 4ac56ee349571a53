//! Asks replicas over HTTP whether they serve.

use std::time::Duration;

use crate::http::NodeStatus;
use crate::raft::Term;

/// How long a replica may take to say how it is. One that is stopped says nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What a replica says of itself.
#[derive(Clone, Debug)]
pub(super) enum Health {
    /// It leads in that term, and serves.
    Leads(Term),
    /// It serves, and does not lead.
    Serves,
    /// It does not serve; why.
    Not(String),
}

#[derive(Clone, Debug)]
pub(super) struct Probe(reqwest::Client);

impl Probe {
    pub(super) fn new() -> Result<Self, String> {
        reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_TIMEOUT)
            // A connection to a process that was killed since is of no use.
            .pool_max_idle_per_host(0)
            .build()
            .map(Probe)
            .map_err(|error| format!("cannot make an HTTP client: {error}"))
    }

    /// Whether the replica at `url` is ready, and leads.
    pub(super) async fn health(&self, url: &str) -> Health {
        match self.ask(url).await {
            Ok(health) => health,
            Err(error) => Health::Not(describe(&error)),
        }
    }

    /// Whether the process at `url` is ready; why not.
    pub(super) async fn ready(&self, url: &str) -> Result<(), String> {
        let asking = async {
            let answer = self.0.get(format!("{url}/readyz")).send().await?;
            if answer.status().is_success() {
                return Ok(Ok(()));
            }
            let status = answer.status();
            Ok(Err(format!("{status}: {}", answer.text().await?.trim())))
        };
        asking
            .await
            .unwrap_or_else(|error: reqwest::Error| Err(describe(&error)))
    }

    async fn ask(&self, url: &str) -> Result<Health, reqwest::Error> {
        if let Err(why) = self.ready(url).await {
            return Ok(Health::Not(why));
        }
        let answer = self.0.get(format!("{url}/v1/status")).send().await?;
        let status: NodeStatus = match serde_json::from_slice(&answer.bytes().await?) {
            Ok(status) => status,
            Err(error) => return Ok(Health::Not(format!("/v1/status: {error}"))),
        };
        Ok(match status.role.as_str() {
            "leader" => Health::Leads(status.term),
            _ => Health::Serves,
        })
    }
}

/// The error and what is behind it, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
