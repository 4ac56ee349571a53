//! Where requests go: the replicas' addresses, and which of them leads.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;
use reqwest::header::HeaderMap;
use telegraft_cluster::http::api::LEADER_HEADER;

use crate::suite::Targets;

/// The replicas' addresses, and the one that is taken for the leader.
#[derive(Debug)]
pub struct Routes {
    /// As `http://127.0.0.1:8351`.
    bases: Vec<String>,
    /// The same with a slash at the end, parsed: parsing the host again for every request would
    /// be a twentieth of what a request costs.
    roots: Vec<Url>,
    targets: Targets,
    leader: AtomicUsize,
}

/// The place of a request's replica among the addresses.
pub type Place = usize;

impl Routes {
    /// Routes to the replicas at `urls`.
    ///
    /// # Errors
    /// When there is none, or one of them is no URL.
    pub fn new(urls: &[String], targets: Targets) -> Result<Self, String> {
        let (mut bases, mut roots) = (Vec::new(), Vec::new());
        for url in urls {
            let base = url.trim_end_matches('/').to_owned();
            let root = Url::parse(&format!("{base}/"));
            roots.push(root.map_err(|error| format!("{url:?} is no URL: {error}"))?);
            bases.push(base);
        }
        if bases.is_empty() {
            return Err("there is no replica to talk to".to_owned());
        }
        Ok(Routes {
            bases,
            roots,
            targets,
            leader: AtomicUsize::new(0),
        })
    }

    /// How many replicas there are.
    pub fn count(&self) -> usize {
        self.bases.len()
    }

    /// The URL of `path`, which begins with a slash, on a replica.
    pub fn url(&self, place: Place, path: &str) -> Url {
        let relative = path.strip_prefix('/').unwrap_or(path);
        let url = self.roots[place].join(relative);
        url.expect("the address is a URL, and the paths are ours")
    }

    /// Where the `nth` operation of `client` goes.
    pub fn first(&self, client: usize, nth: u64) -> Place {
        let len = self.bases.len();
        match self.targets {
            Targets::Leader => self.leader.load(Ordering::Relaxed),
            Targets::Any => client % len,
            Targets::RoundRobin => {
                let nth = usize::try_from(nth % len as u64).expect("below a usize");
                (client + nth) % len
            }
        }
    }

    /// Learns from an answer of the replica at `place` who leads.
    pub fn learn(&self, place: Place, headers: &HeaderMap) {
        if self.targets != Targets::Leader {
            return;
        }
        let Some(named) = headers.get(LEADER_HEADER) else {
            return;
        };
        // Almost always the answer is the leader's own and nothing changes.
        let leader = self.leader.load(Ordering::Relaxed);
        if named.as_bytes() == self.bases[leader].as_bytes() {
            return;
        }
        let named = named.as_bytes();
        if let Some(new) = self.bases.iter().position(|base| base.as_bytes() == named) {
            tracing::debug!(from = place, leader = new, "another leader is named");
            self.leader.store(new, Ordering::Relaxed);
        }
    }

    /// Whether an answer names a leader.
    pub fn names_leader(headers: &HeaderMap) -> bool {
        headers.contains_key(LEADER_HEADER)
    }

    /// Where a request goes that failed at `place`. `speaks` tells that the replica answers
    /// and names a leader: then its word counts.
    pub fn after_failure(&self, place: Place, speaks: bool) -> Place {
        let next = (place + 1) % self.bases.len();
        if self.targets != Targets::Leader {
            return next;
        }
        if !speaks {
            // Whoever comes first moves everyone on; the others find it moved.
            let _ = self
                .leader
                .compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        self.leader.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn routes(targets: Targets) -> Routes {
        let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2/", "http://h:3"];
        Routes::new(&urls.map(str::to_owned), targets).expect("URLs")
    }

    fn naming(url: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            reqwest::header::HeaderName::from_static(LEADER_HEADER),
            HeaderValue::from_static(url),
        )])
    }

    #[test]
    fn the_leader_is_followed() {
        let routes = routes(Targets::Leader);
        assert_eq!(routes.first(5, 9), 0);
        routes.learn(0, &naming("http://h:3"));
        assert_eq!(routes.first(5, 10), 2);
        routes.learn(2, &naming("http://elsewhere:1"));
        routes.learn(2, &HeaderMap::new());
        assert_eq!(routes.first(5, 11), 2, "an unknown one is not followed");
        assert_eq!(routes.after_failure(2, true), 2, "it leads and is busy");
        assert_eq!(routes.after_failure(2, false), 0, "it is gone");
        assert_eq!(routes.after_failure(2, false), 0, "everyone moves on once");
        assert_eq!(routes.url(1, "/v1/x").as_str(), "http://127.0.0.1:2/v1/x");
        let below = Routes::new(&["http://h/a/b/".to_owned()], Targets::Any).expect("a URL");
        let page = below.url(0, "/v1/rooms/7/messages?limit=5&after=1%3A2");
        assert_eq!(
            page.as_str(),
            "http://h/a/b/v1/rooms/7/messages?limit=5&after=1%3A2"
        );
    }

    #[test]
    fn other_targets_are_spread() {
        let any = routes(Targets::Any);
        any.learn(0, &naming("http://h:3"));
        let places: Vec<Place> = (0..6).map(|client| any.first(client, 77)).collect();
        assert_eq!(places, [0, 1, 2, 0, 1, 2]);
        let round = routes(Targets::RoundRobin);
        let places: Vec<Place> = (0..6).map(|nth| round.first(1, nth)).collect();
        assert_eq!(places, [1, 2, 0, 1, 2, 0]);
        assert_eq!(round.after_failure(2, true), 0);
        assert!(Routes::new(&[], Targets::Any).is_err());
        assert!(Routes::new(&["nonsense".to_owned()], Targets::Any).is_err());
    }
}
