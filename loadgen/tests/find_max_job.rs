//! The search for the highest rate, with servers whose capacity is known.
#![allow(
    clippy::unwrap_used,
    reason = "tests may stop at the first surprise, their helpers too"
)]

use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telegraft_cluster::chat::{
    Action, Answer, DigestAt, Outcome as Written, Query, QueryError, SessionKey,
};
use telegraft_cluster::http::{
    Backend, Consistency, HttpOptions, LeaderInfo, NodeStatus, Null, Refusal, serve,
};
use telegraft_cluster::raft::LogIndex;
use telegraft_loadgen::bench::BenchError;
use telegraft_loadgen::find_max::job::{Job, Outcome, run};
use telegraft_loadgen::find_max::{Limit, ProbeRow};
use telegraft_loadgen::results::{BuildInfo, ResultDir};
use telegraft_loadgen::suite::{Overrides, System};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, sleep_until};

/// The null system, which takes messages one after the other, each for the same time.
struct OneByOne {
    null: Null,
    each: Duration,
    /// When it is done with all that it has.
    free: Mutex<Instant>,
}

/// What it makes up for when it had nothing to do: so nothing is lost while a busy machine
/// keeps everybody waiting.
const MAKES_UP: Duration = Duration::from_millis(50);

impl OneByOne {
    /// A turn, in the order of asking.
    async fn turn(&self) {
        let done = {
            let mut free = self.free.lock().unwrap();
            let from = Instant::now().checked_sub(MAKES_UP).unwrap();
            *free = from.max(*free) + self.each;
            *free
        };
        sleep_until(done.max(Instant::now() + self.each)).await;
    }
}

impl Backend for OneByOne {
    async fn write(
        &self,
        action: Action,
        key: Option<SessionKey>,
        deadline: Duration,
    ) -> Result<Written, Refusal> {
        if matches!(action, Action::SendMessage { .. }) {
            self.turn().await;
        }
        self.null.write(action, key, deadline).await
    }

    async fn read(
        &self,
        query: Query,
        consistency: Consistency,
        min_index: LogIndex,
        deadline: Duration,
    ) -> Result<(Result<Answer, QueryError>, LogIndex), Refusal> {
        self.null
            .read(query, consistency, min_index, deadline)
            .await
    }

    async fn status(&self) -> Result<NodeStatus, Refusal> {
        self.null.status().await
    }

    async fn digest(&self, index: Option<LogIndex>) -> Result<(LogIndex, DigestAt), Refusal> {
        self.null.digest(index).await
    }

    fn leader(&self) -> Option<LeaderInfo> {
        self.null.leader()
    }

    fn leads(&self) -> bool {
        self.null.leads()
    }

    fn ready(&self) -> Result<(), String> {
        self.null.ready()
    }

    fn metrics(&self) -> String {
        self.null.metrics()
    }
}

/// Starts a server that takes so many messages a second; its address. It ends with the test's
/// runtime.
async fn server(per_s: f64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let backend = Arc::new(OneByOne {
        null: Null::new(url.clone()),
        each: Duration::from_secs_f64(1.0 / per_s),
        free: Mutex::new(Instant::now()),
    });
    tokio::spawn(serve(listener, backend, HttpOptions::default(), pending()));
    url
}

/// Evenly spaced messages, so that a second has as many as it should.
const WORKLOAD: &str = r#"
message_bytes = 64

[arrival]
model = "open"
spacing = "constant"
connections = 4
rate = 150

[population]
users = 4
rooms = 2
rooms_per_user = 2

[operations.send]
weight = 1
"#;
const SLO: &str = "[slo.send]\nresponse_p99 = \"50ms\"\n";

fn results(dir: &TempDir) -> PathBuf {
    dir.path().join("results")
}

/// A search with the null system's checks; its results are in `results` of the directory.
fn job(dir: &TempDir, workload: &str, url: &str, duration: Duration) -> Job {
    let file = dir.path().join("steady.toml");
    fs::write(&file, workload).unwrap();
    Job {
        workload: file.to_str().unwrap().to_owned(),
        overrides: Overrides {
            duration: Some(duration),
            warmup: Some(duration / 10),
            ..Overrides::default()
        },
        slo_p99: None,
        start_per_s: None,
        max_per_s: None,
        precision: 0.03,
        repeats: 1,
        system: System::Null,
        targets: vec![url.to_owned()],
        replicas: 3,
        binary: PathBuf::from("/nonexistent/telegraft"),
        out: Some(results(dir)),
        build: BuildInfo {
            version: "0".to_owned(),
            git_revision: None,
            rustc: "rustc".to_owned(),
            profile: "debug".to_owned(),
        },
        quiet: true,
    }
}

/// The rows of `find-max.csv` are those of the probes.
fn assert_recorded(outcome: &Outcome) {
    let results = ResultDir::open(&outcome.directory).unwrap();
    let read = results.read_probes().unwrap();
    assert_eq!(read.problems, []);
    let rows: Vec<ProbeRow> = read.rows.into_iter().map(|(_, row)| row).collect();
    let probes = (1..).zip(&outcome.probes);
    let expected: Vec<ProbeRow> = probes
        .map(|(nth, probe)| ProbeRow::new(nth, probe))
        .collect();
    assert_eq!(rows, expected);
}

/// A server that takes 200 a second is found to take 200 a second: one estimate.
async fn found_capacity() -> Outcome {
    let url = server(200.0).await;
    let dir = TempDir::new().unwrap();
    let job = job(
        &dir,
        &format!("{WORKLOAD}{SLO}"),
        &url,
        Duration::from_secs(3),
    );
    let outcome = run(job, pending()).await.unwrap();
    assert_recorded(&outcome);
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_capacity_is_found_three_times_in_a_row() {
    // At the same time on servers of their own: probes take their time, and little else.
    let outcomes = tokio::join!(found_capacity(), found_capacity(), found_capacity());
    for outcome in [outcomes.0, outcomes.1, outcomes.2] {
        let told = outcome.text();
        let found = outcome.found.unwrap();
        assert!((190.0..=210.0).contains(&found.max_rate), "{told}");
        assert_eq!(found.limited_by, Limit::Slo, "{told}");
        assert!(outcome.probes.iter().any(|probe| !probe.meets), "{told}");
        assert!(told.contains("operations a second meet the SLO"), "{told}");
        assert!(!outcome.interrupted && !outcome.violated);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_that_no_rate_meets_is_told() {
    let url = server(20.0).await;
    let dir = TempDir::new().unwrap();
    let job = Job {
        start_per_s: Some(4.0),
        // A message alone takes 50 ms.
        slo_p99: Some(Duration::from_millis(20)),
        ..job(&dir, WORKLOAD, &url, Duration::from_secs(1))
    };
    let outcome = run(job, pending()).await.unwrap();
    assert_recorded(&outcome);
    let told = outcome.text();
    let rates: Vec<f64> = outcome.probes.iter().map(|probe| probe.rate).collect();
    assert_eq!(rates, [4.0, 2.0, 1.0], "{told}");
    assert!(outcome.probes.iter().all(|probe| !probe.meets), "{told}");
    let found = outcome.found.unwrap();
    assert_eq!((found.max_rate, found.limited_by), (0.0, Limit::MinRate));
    assert!(told.contains("no rate meets the SLO"), "{told}");
    assert!(told.contains("send: response_p99"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_probe_is_a_run_up_to_the_highest_rate() {
    let url = server(100_000.0).await;
    let dir = TempDir::new().unwrap();
    let job = Job {
        max_per_s: Some(160.5),
        start_per_s: Some(100.0),
        slo_p99: Some(Duration::from_secs(1)),
        repeats: 2,
        overrides: Overrides {
            seed: Some(7),
            duration: Some(Duration::from_millis(300)),
            warmup: Some(Duration::from_millis(50)),
            ..Overrides::default()
        },
        ..job(&dir, WORKLOAD, &url, Duration::from_secs(1))
    };
    let outcome = run(job, pending()).await.unwrap();
    assert_recorded(&outcome);
    let told = outcome.text();
    assert!(outcome.probes.iter().all(|probe| probe.valid), "{told}");
    let found = outcome.found.as_ref().unwrap();
    assert_eq!(found.limited_by, Limit::MaxRate, "{told}");
    assert_eq!(found.estimates, [160.5, 160.5], "{told}");

    let results = ResultDir::open(&outcome.directory).unwrap();
    let rows = results.read_runs().unwrap().rows.into_iter();
    let runs: Vec<_> = rows
        .map(|(_, row)| row)
        .filter(|row| row.op == "all")
        .collect();
    let told: Vec<(&str, Option<f64>, u64)> = runs
        .iter()
        .map(|row| (row.run_id.as_str(), row.target_rate_per_s, row.seed))
        .collect();
    let expected = [
        ("null-steady-p01", Some(100.0), 7),
        ("null-steady-p02", Some(160.5), 8),
        ("null-steady-p03", Some(145.9), 9),
        ("null-steady-p04", Some(160.5), 10),
    ];
    assert_eq!(told, expected);
    for row in &runs {
        assert_eq!((row.arrival.as_str(), row.slo.as_str()), ("open", "met"));
        assert_eq!(row.suite, "find-max-steady");
    }
    let json: serde_json::Value = serde_json::from_str(&outcome.json()).unwrap();
    assert_eq!(json["max_rate_per_s"], 160.5);
    assert_eq!(json["limited_by"], "max-rate");
    assert_eq!(json["probes"][1]["rate_per_s"], 160.5);
    assert_eq!(json["unstable"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_was_never_due_is_no_miss() {
    let url = server(100_000.0).await;
    let dir = TempDir::new().unwrap();
    let sends = "[operations.send]\nweight = 1\n";
    let rare = "[operations.send]\nweight = 999999\n\n[operations.join]\nweight = 1\n";
    let workload = WORKLOAD.replace(sends, rare);
    assert_ne!(workload, WORKLOAD);
    let job = Job {
        max_per_s: Some(100.0),
        slo_p99: Some(Duration::from_secs(1)),
        ..job(&dir, &workload, &url, Duration::from_millis(300))
    };
    let outcome = run(job, pending()).await.unwrap();
    let told = outcome.text();
    assert!(
        told.contains("SLO of join: response p99 at most 1s"),
        "{told}"
    );
    assert_eq!(outcome.found.unwrap().max_rate, 100.0, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_probed_before_an_interruption_is_kept() {
    let url = server(100_000.0).await;
    let dir = TempDir::new().unwrap();
    let job = job(
        &dir,
        &format!("{WORKLOAD}{SLO}"),
        &url,
        Duration::from_millis(500),
    );
    let first = results(&dir).join("find-max.csv");
    let outcome = run(job, appears(&first)).await.unwrap();
    assert!(outcome.interrupted && outcome.found.is_none());
    assert!(!outcome.probes.is_empty());
    assert_recorded(&outcome);
    assert!(outcome.text().contains("the search ended before"));
    let json: serde_json::Value = serde_json::from_str(&outcome.json()).unwrap();
    assert_eq!(json["interrupted"], true);
    assert!(json["max_rate_per_s"].is_null());
}

async fn appears(path: &Path) {
    while !path.exists() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_promise_ends_the_search() {
    // It says that it is a cluster, and forgets what was sent.
    let url = server(100_000.0).await;
    let dir = TempDir::new().unwrap();
    let workload =
        format!("{WORKLOAD}\n[operations.read]\nweight = 1\npage = \"latest\"\nlimit = 5\n{SLO}");
    let job = Job {
        system: System::Telegraft,
        ..job(&dir, &workload, &url, Duration::from_millis(300))
    };
    let outcome = run(job, pending()).await.unwrap();
    assert!(outcome.violated && outcome.found.is_none());
    assert_eq!(outcome.probes.len(), 1);
    assert!(!outcome.probes[0].meets);
    assert!(!outcome.notes.is_empty(), "the findings are told");
    assert_recorded(&outcome);
}

#[tokio::test]
async fn what_cannot_be_searched_is_refused_with_a_reason() {
    let dir = TempDir::new().unwrap();
    let usual = job(&dir, WORKLOAD, "http://127.0.0.1:9", Duration::from_secs(1));
    let bounded = Job {
        slo_p99: Some(Duration::from_millis(20)),
        ..usual.clone()
    };
    let throughput = dir.path().join("throughput.toml");
    fs::write(
        &throughput,
        format!("{WORKLOAD}\n[slo.all]\nok_per_s = 100\n"),
    )
    .unwrap();
    let faulty = dir.path().join("faulty.toml");
    let fault = "\n[[faults]]\nat = \"100ms\"\naction = \"kill\"\nto = \"leader\"\n";
    fs::write(&faulty, format!("{WORKLOAD}{fault}{SLO}")).unwrap();
    let cases = [
        (usual.clone(), "--slo-p99"),
        (
            Job {
                workload: throughput.to_str().unwrap().to_owned(),
                ..usual.clone()
            },
            "--slo-p99",
        ),
        (
            Job {
                workload: faulty.to_str().unwrap().to_owned(),
                ..usual
            },
            "has faults",
        ),
        (
            Job {
                precision: 0.0,
                ..bounded.clone()
            },
            "precision",
        ),
        (
            Job {
                max_per_s: Some(100.0),
                start_per_s: Some(200.0),
                ..bounded.clone()
            },
            "1 to 100",
        ),
        (
            Job {
                max_per_s: Some(0.5),
                ..bounded
            },
            "does not end at 0.5",
        ),
    ];
    for (job, why) in cases {
        let error = run(job, pending()).await.unwrap_err();
        assert!(matches!(error, BenchError::Search(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(!results(&dir).exists(), "nothing was begun");
}
