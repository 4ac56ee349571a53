//! Whether a leader serves, and how the replicas are.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::probe::Health;
use super::{LocalCluster, LocalError, System};
use crate::raft::NodeId;

/// How often it is looked whether a leader serves.
const READY_POLL: Duration = Duration::from_millis(20);
/// How long a cluster that has a leader waits for the other replicas to know it. It serves
/// without them.
const FOLLOWERS_TIMEOUT: Duration = Duration::from_secs(2);

impl LocalCluster {
    /// Waits until a leader serves; its id.
    ///
    /// # Errors
    /// None does in time, or no replica runs any more.
    pub async fn wait_for_leader(&self, timeout: Duration) -> Result<NodeId, LocalError> {
        let deadline = Instant::now() + timeout;
        loop {
            let healths = self.healths().await;
            let leader = healths
                .iter()
                .filter_map(|(id, health)| match health {
                    Health::Leads(term) => Some((*term, *id)),
                    _ => None,
                })
                .max();
            if let Some((_, id)) = leader {
                return Ok(id);
            }
            if self.members.iter().all(|member| !member.runs()) {
                let ends: Vec<String> = self.ended().into_iter().map(|(_, end)| end).collect();
                return Err(LocalError::Failed(format!(
                    "no replica runs\n{}",
                    ends.join("\n")
                )));
            }
            if Instant::now() >= deadline {
                return Err(self.nobody_leads(timeout, &healths));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Waits until a leader serves, and a little longer for the others to know it.
    pub(super) async fn wait_until_ready(&self) -> Result<(), LocalError> {
        let timeout = self.options.ready_timeout;
        let deadline = Instant::now() + timeout;
        let mut led_since = None;
        loop {
            if let Some((_, end)) = self.ended().into_iter().next() {
                return Err(LocalError::Failed(end));
            }
            let healths = self.healths().await;
            let leads = |health: &Health| matches!(health, Health::Leads(_));
            if healths.iter().any(|(_, health)| leads(health)) {
                let since = *led_since.get_or_insert_with(Instant::now);
                let all = !healths
                    .iter()
                    .any(|(_, health)| matches!(health, Health::Not(_)));
                if all || since.elapsed() >= FOLLOWERS_TIMEOUT {
                    return Ok(());
                }
            }
            if Instant::now() >= deadline && led_since.is_none() {
                return Err(self.nobody_leads(timeout, &healths));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// How each running replica is, all asked at once.
    async fn healths(&self) -> Vec<(NodeId, Health)> {
        let mut asked = JoinSet::new();
        for member in self.members.iter().filter(|member| member.runs()) {
            let (id, url) = (member.replica.id, member.replica.url.clone());
            let probe = self.probe.clone();
            let null = self.options.system == System::Null;
            asked.spawn(async move {
                let health = if null {
                    let ready = probe.ready(&url).await;
                    ready.map_or_else(Health::Not, |()| Health::Leads(0))
                } else {
                    probe.health(&url).await
                };
                (id, health)
            });
        }
        let mut healths: Vec<_> = asked.join_all().await;
        healths.sort_by_key(|(id, _)| *id);
        healths
    }

    fn nobody_leads(&self, timeout: Duration, healths: &[(NodeId, Health)]) -> LocalError {
        let mut text = format!("no leader serves after {timeout:?}");
        for (id, health) in healths {
            let how = match health {
                Health::Not(why) => why,
                Health::Serves | Health::Leads(_) => "it serves, and does not lead",
            };
            text.push_str(&format!("\nreplica {id}: {how}"));
        }
        for (_, end) in self.ended() {
            text.push_str(&format!("\n{end}"));
        }
        text.push_str(&format!(
            "\nthe replicas' logs are {}",
            self.options.data_dir.join("node-<id>.log").display()
        ));
        LocalError::Failed(text)
    }
}
