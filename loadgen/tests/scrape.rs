//! The scraper against replicas that answer as a test tells them, on virtual time.

#![allow(
    clippy::unwrap_used,
    reason = "tests may stop at the first surprise, their helpers too"
)]

mod support;

use std::fmt::Write as _;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use support::{Reply, Scripted, Seen};
use telegraft_cluster::http::{LeaderInfo, NodeStatus};
use telegraft_loadgen::results::{ClusterRow, ResultDir};
use telegraft_loadgen::scrape::{Scraped, Scraper};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);
/// As long as a replica may take.
const PATIENCE: Duration = Duration::from_millis(800);

fn status(id: u64, role: &str, term: u64, leader: Option<u64>, last_index: u64) -> NodeStatus {
    NodeStatus {
        id,
        cluster_id: "test".to_owned(),
        role: role.to_owned(),
        term,
        leader: leader.map(|id| LeaderInfo { id, url: None }),
        commit_index: last_index - 1,
        applied_index: last_index - 2,
        last_index,
        first_index: 1,
        members: Vec::new(),
        peers: Vec::new(),
        digest: String::new(),
    }
}

/// The metrics of a process.
#[derive(Clone, Copy, Debug)]
struct Used {
    cpu_s: f64,
    log_bytes: u64,
    syncs: u64,
    /// Of every stage: how many took up to 1 ms, and how many up to 2 ms.
    times: (u64, u64),
}

impl Used {
    /// What a process has used in so many seconds.
    fn after(seconds: u64) -> Used {
        Used {
            cpu_s: 10.0 + 0.25 * seconds as f64,
            log_bytes: 1_000_000 + 1500 * seconds,
            syncs: 4000 + 20 * seconds,
            times: (100_000 + 90 * seconds, 50 + 10 * seconds),
        }
    }

    fn text(self) -> String {
        let (
            Used {
                cpu_s,
                log_bytes,
                syncs,
                ..
            },
            (fast, slow),
        ) = (self, self.times);
        let mut text = format!(
            "# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total {cpu_s}\n\
             process_resident_anonymous_bytes 4096000\n\
             telegraft_log_written_bytes_total {log_bytes}\ntelegraft_log_syncs_total {syncs}\n"
        );
        for stage in ["queue", "log_write", "replication", "apply"] {
            for (le, count) in [
                ("0.001", fast),
                ("2e-3", fast + slow),
                ("+Inf", fast + slow),
            ] {
                writeln!(
                    text,
                    "telegraft_stage_seconds_bucket{{le=\"{le}\",stage=\"{stage}\"}} {count}"
                )
                .unwrap();
            }
            let sum = fast as f64 * 0.0004 + slow as f64 * 0.0012;
            writeln!(
                text,
                "telegraft_stage_seconds_sum{{stage=\"{stage}\"}} {sum}"
            )
            .unwrap();
        }
        text + "# EOF\n"
    }
}

/// What a replica tells in one round; none breaks the connection.
type Told = Option<(NodeStatus, String)>;

/// A replica that tells the nth scrape what `tell` says.
async fn replica(tell: impl Fn(u64) -> Told + Send + 'static) -> Scripted {
    let mut rounds = 0;
    Scripted::start(move |seen: &Seen| {
        let round = rounds;
        let (metrics, told) = (seen.path == "/metrics", tell(round));
        if metrics || told.is_none() {
            rounds += 1;
        }
        match told {
            None => Reply::Reset,
            Some((_, text)) if metrics => Reply::Answer(200, text),
            Some((status, _)) => Reply::Answer(200, serde_json::to_string(&status).unwrap()),
        }
    })
    .await
}

/// A scraper that runs. Time stands still but for what a test advances it by: a task that
/// blocks keeps the runtime from advancing it whenever it waits for a socket.
struct Running {
    leader: watch::Receiver<Option<u64>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Scraped>,
    _still: std::sync::mpsc::Sender<()>,
}

impl Running {
    fn start(urls: &[String]) -> Running {
        let (still, over) = std::sync::mpsc::channel();
        drop(tokio::task::spawn_blocking(move || over.recv()));
        let scraper = Scraper::new("run-t1".to_owned(), urls).unwrap();
        let leader = scraper.leader();
        let (stop, stopped) = oneshot::channel();
        let until = async {
            let _ = stopped.await;
        };
        Running {
            leader,
            stop,
            task: tokio::spawn(scraper.run(Instant::now(), until)),
            _still: still,
        }
    }

    /// Waits until a scrape is done; the leader that it saw.
    async fn scraped(&mut self) -> Option<u64> {
        self.leader.changed().await.unwrap();
        *self.leader.borrow_and_update()
    }

    /// Waits for the first scrape and those of so many seconds; the leaders that they saw.
    async fn seconds(&mut self, count: usize) -> Vec<Option<u64>> {
        let mut leaders = vec![self.scraped().await];
        for _ in 0..count {
            advance(SECOND).await;
            leaders.push(self.scraped().await);
        }
        leaders
    }

    async fn scraped_all(self) -> Scraped {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }

    async fn rows(self) -> Vec<ClusterRow> {
        self.scraped_all().await.cluster
    }
}

/// The rates of a row: CPU, bytes and syncs.
fn rates(row: &ClusterRow) -> [Option<f64>; 3] {
    [row.cpu_cores, row.log_bytes_per_s, row.fdatasyncs_per_s]
}

/// All percentiles of a row.
fn percentiles(row: &ClusterRow) -> [Option<u64>; 8] {
    [
        row.queue_p50_us,
        row.queue_p99_us,
        row.log_write_p50_us,
        row.log_write_p99_us,
        row.commit_p50_us,
        row.commit_p99_us,
        row.apply_p50_us,
        row.apply_p99_us,
    ]
}

const NO_RATES: [Option<f64>; 3] = [None; 3];
/// Of a second of [`Used::after`].
const RATES: [Option<f64>; 3] = [Some(0.25), Some(1500.0), Some(20.0)];

#[tokio::test(start_paused = true)]
async fn each_replica_has_a_row_of_each_second() {
    // The leader's queue gets nothing in the second second.
    let first = replica(|round| {
        let used = Used::after(round);
        let quiet = Used {
            times: Used::after(1).times,
            ..used
        };
        let text = if round < 2 { used.text() } else { quiet.text() };
        Some((status(1, "leader", 3, Some(1), 100 + 10 * round), text))
    });
    let second = replica(|round| {
        let used = Used::after(2 * round);
        Some((
            status(2, "follower", 3, Some(1), 90 + 15 * round),
            used.text(),
        ))
    });
    let (first, second) = (first.await, second.await);
    let mut running = Running::start(&[first.url.clone(), format!("{}/", second.url)]);
    assert_eq!(running.seconds(2).await, [Some(1); 3]);
    let rows = running.rows().await;

    let expected = ClusterRow {
        schema_version: 1,
        run_id: "run-t1".to_owned(),
        second: 0,
        replica: 1,
        role: "leader".to_owned(),
        term: Some(3),
        commit_index: Some(109),
        applied_index: Some(108),
        last_index: Some(110),
        lag_entries: Some(0),
        cpu_cores: Some(0.25),
        anon_bytes: Some(4_096_000),
        log_bytes_per_s: Some(1500.0),
        fdatasyncs_per_s: Some(20.0),
        // 90 of 100 are spread up to 1 ms, and 10 over the next.
        queue_p50_us: Some(556),
        queue_p99_us: Some(1900),
        log_write_p50_us: Some(556),
        log_write_p99_us: Some(1900),
        commit_p50_us: Some(556),
        commit_p99_us: Some(1900),
        apply_p50_us: Some(556),
        apply_p99_us: Some(1900),
    };
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0], expected);
    let of = |row: &ClusterRow| (row.second, row.replica, row.last_index, row.lag_entries);
    let all: Vec<_> = rows.iter().map(of).collect();
    assert_eq!(
        all,
        [
            (0, 1, Some(110), Some(0)),
            (0, 2, Some(105), Some(5)),
            (1, 1, Some(120), Some(0)),
            (1, 2, Some(120), Some(0)),
        ]
    );
    assert_eq!((rates(&rows[2]), percentiles(&rows[2])), (RATES, [None; 8]));
    assert_eq!(
        rates(&rows[3]),
        RATES.map(|rate| rate.map(|rate| 2.0 * rate))
    );
    assert_eq!(rows[3].role, "follower");
    for replica in [&first, &second] {
        // The second question may come before the first one's connection is free again.
        assert!(replica.connections() <= 2, "they are kept alive");
        assert_eq!(replica.seen().len(), 6);
    }

    let root = tempfile::tempdir().unwrap();
    let dir = ResultDir::create_at(&root.path().join("results")).unwrap();
    dir.append_cluster(&rows[..2]).unwrap();
    dir.append_cluster(&rows[2..]).unwrap();
    let read = dir.read_cluster().unwrap();
    assert_eq!(read.problems, []);
    let read: Vec<ClusterRow> = read.rows.into_iter().map(|(_, row)| row).collect();
    assert_eq!(read, rows);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_gone_and_one_that_restarts_have_no_rates_once() {
    // Ids are the replicas' own.
    let gone = replica(|round| {
        let told = (
            status(7, "leader", 2, Some(7), 50),
            Used::after(round).text(),
        );
        (round != 2).then_some(told)
    });
    // More bytes than before in spite of its restart.
    let restarted = replica(|round| {
        let mut used = Used::after(round);
        if round >= 3 {
            used.cpu_s -= 10.0;
        }
        let term = if round == 2 { 3 } else { 2 };
        let leader = (round != 2).then_some(7);
        Some((status(8, "follower", term, leader, 40), used.text()))
    });
    let (gone, restarted) = (gone.await, restarted.await);
    let never = Scripted::start(|_| Reply::Reset).await.url.clone();
    let urls = [gone.url.clone(), restarted.url.clone(), never];
    let mut running = Running::start(&urls);
    let leaders = running.seconds(5).await;
    assert_eq!(leaders, [Some(7), Some(7), None, Some(7), Some(7), Some(7)]);
    let rows = running.rows().await;

    let of = |id: u64| rows.iter().filter(move |row| row.replica == id);
    let roles: Vec<&str> = of(7).map(|row| row.role.as_str()).collect();
    assert_eq!(
        roles,
        ["leader", "unreachable", "leader", "leader", "leader"]
    );
    let seen: Vec<_> = of(7).map(rates).collect();
    assert_eq!(seen, [RATES, NO_RATES, NO_RATES, RATES, RATES]);
    let row = of(7).nth(1).unwrap();
    assert_eq!(
        (row.term, row.last_index, row.lag_entries),
        (None, None, None)
    );
    assert_eq!((row.anon_bytes, percentiles(row)), (None, [None; 8]));
    let row = of(7).nth(2).unwrap();
    assert_eq!((row.term, row.lag_entries), (Some(2), Some(0)));
    assert_eq!(row.anon_bytes, Some(4_096_000));
    assert_eq!(percentiles(row), [None; 8]);

    let seen: Vec<_> = of(8).map(rates).collect();
    assert_eq!(seen, [RATES, RATES, NO_RATES, RATES, RATES]);
    let lags: Vec<_> = of(8).map(|row| row.lag_entries.unwrap()).collect();
    assert_eq!(lags, [10, 0, 10, 10, 10], "the other is not seen at first");
    let row = of(8).nth(2).unwrap();
    assert_eq!((percentiles(row), row.term), ([None; 8], Some(2)));

    // It has never told its id: its place stands for it.
    assert_eq!(of(3).count(), 5);
    assert!(of(3).all(|row| row.role == "unreachable"));
}

/// Replica, stage, count, mean and percentiles.
type Stage<'a> = (u64, &'a str, u64, Option<f64>, [Option<u64>; 3]);

fn stages(scraped: &Scraped) -> Vec<Stage<'_>> {
    let rows = scraped.stages.iter();
    rows.map(|row| {
        assert_eq!((row.schema_version, row.run_id.as_str()), (1, "run-t1"));
        let percentiles = [row.p50_us, row.p90_us, row.p99_us];
        let stage = row.stage.as_str();
        (row.replica, stage, row.count, row.mean_us, percentiles)
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn stages_are_counted_from_the_first_scrape_to_the_last() {
    // Each second brings 90 and 10.
    let steady = replica(|round| {
        let text = Used::after(round).text();
        Some((status(1, "leader", 3, Some(1), 100), text))
    });
    // Absent at first and in between; its log writer has a metric of its own.
    let late = replica(|round| {
        let mut text = Used::after(round).text();
        let count = 5 * round;
        writeln!(
            text,
            "telegraft_log_sync_seconds_bucket{{le=\"0.01\"}} {count}\n\
             telegraft_log_sync_seconds_bucket{{le=\"+Inf\"}} {count}\n\
             telegraft_log_sync_seconds_sum 0.{round}"
        )
        .unwrap();
        let told = (status(5, "follower", 3, Some(1), 90), text);
        (round != 0 && round != 2).then_some(told)
    });
    // Another process from the third scrape on, which has counted a second's by the fourth.
    let restarted = replica(|round| {
        let mut used = Used::after(round);
        if round >= 2 {
            used.cpu_s = 0.01;
            used.times = (90 * (round - 2), 10 * (round - 2));
        }
        Some((status(6, "follower", 3, Some(1), 90), used.text()))
    });
    let (steady, late, restarted) = (steady.await, late.await, restarted.await);
    let never = Scripted::start(|_| Reply::Reset).await.url.clone();
    let urls = [&steady, &late, &restarted].map(|server| server.url.clone());
    let mut running = Running::start(&[urls.as_slice(), &[never]].concat());
    running.seconds(3).await;
    let scraped = running.scraped_all().await;

    // (90 × 0.4 ms + 10 × 1.2 ms) / 100; all the same each second.
    let (mean, percentiles) = (Some(480.0), [Some(556), Some(1000), Some(1900)]);
    let mut expected: Vec<Stage<'_>> = Vec::new();
    for (replica, count) in [(1, 300), (5, 200), (6, 100 + 100)] {
        for stage in ["queue", "log_write", "commit", "apply"] {
            expected.push((replica, stage, count, mean, percentiles));
        }
        if replica == 5 {
            // 10 more, in 0.3 s - 0.1 s.
            let percentiles = [Some(5000), Some(9000), Some(9900)];
            expected.push((5, "log_sync", 10, Some(20_000.0), percentiles));
        }
    }
    assert_eq!(stages(&scraped), expected);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_leader_is_told_once_with_the_moment_of_its_scrape() {
    // Terms as two replicas tell them; the first knows it three seconds before the other.
    let told = [
        (2, Some(1)),
        (3, None),
        (4, Some(2)),
        (4, Some(2)),
        (5, Some(2)),
        (5, Some(2)),
    ];
    let first = replica(move |round| {
        let (term, leader) = told[usize::try_from(round).unwrap()];
        let text = Used::after(round).text();
        // It is gone for a second, and what the other tells meanwhile is old.
        (round != 3).then_some((status(1, "follower", term, leader, 9), text))
    });
    let second = replica(move |round| {
        let (term, leader) = told[usize::try_from(round.saturating_sub(3)).unwrap()];
        let text = Used::after(round).text();
        Some((status(2, "follower", term, leader, 9), text))
    });
    let (first, second) = (first.await, second.await);
    let mut running = Running::start(&[first.url.clone(), second.url.clone()]);
    running.seconds(5).await;
    let events = running.scraped_all().await.events;
    let seen: Vec<_> = events
        .iter()
        .map(|row| {
            (
                row.at_s,
                row.event.as_str(),
                row.replica,
                row.detail.as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [(2.0, "leader", 2, "term 4"), (4.0, "leader", 2, "term 5")]
    );
    assert!(
        events
            .iter()
            .all(|row| row.run_id == "run-t1" && row.schema_version == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_hangs_is_given_up_before_the_next_second() {
    let hangs = Arc::new(Semaphore::new(0));
    let asked = Arc::clone(&hangs);
    let mut requests = 0;
    let server = Scripted::start(move |seen| {
        requests += 1;
        if requests == 4 {
            asked.add_permits(1);
            return Reply::Hang;
        }
        Reply::Answer(
            200,
            match seen.path.as_str() {
                "/metrics" => Used::after(0).text(),
                _ => serde_json::to_string(&status(1, "leader", 1, Some(1), 9)).unwrap(),
            },
        )
    })
    .await;
    let mut running = Running::start(from_ref(&server.url));
    assert_eq!(running.scraped().await, Some(1));
    advance(SECOND).await;
    // Its status came, its metrics do not.
    hangs.acquire().await.unwrap().forget();
    advance(PATIENCE).await;
    assert_eq!(running.scraped().await, None);
    advance(SECOND - PATIENCE).await;
    assert_eq!(running.scraped().await, Some(1));
    advance(SECOND).await;
    assert_eq!(running.scraped().await, Some(1));
    let rows = running.rows().await;
    let roles: Vec<&str> = rows.iter().map(|row| row.role.as_str()).collect();
    assert_eq!(roles, ["unreachable", "leader", "leader"]);
    assert_eq!(rows[1].cpu_cores, None);
    assert_eq!(rows[2].cpu_cores, Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn seconds_that_were_slept_through_have_no_row() {
    // Seconds of its own: the test's scrapes are at 0, 1, 3.5 and 4.
    let at = [0, 1, 6, 7];
    let server = replica(move |round| {
        let used = Used::after(at[usize::try_from(round).unwrap()]);
        Some((status(1, "leader", 1, Some(1), 9), used.text()))
    })
    .await;
    let mut running = Running::start(from_ref(&server.url));
    running.seconds(1).await;
    advance(SECOND * 5 / 2).await;
    running.scraped().await;
    advance(SECOND / 2).await;
    running.scraped().await;
    let rows = running.rows().await;
    let seconds: Vec<_> = rows.iter().map(|row| (row.second, rates(row))).collect();
    // The last two scrapes are half a second from each other.
    let twice = RATES.map(|rate| rate.map(|rate| 2.0 * rate));
    assert_eq!(seconds, [(0, RATES), (2, NO_RATES), (3, twice)]);
}

#[tokio::test(start_paused = true)]
async fn the_last_second_of_a_run_is_not_lost_to_rounding() {
    let one = || {
        let told = |round| {
            (
                status(1, "leader", 1, Some(1), 9),
                Used::after(round).text(),
            )
        };
        replica(move |round| Some(told(round)))
    };
    let server = one().await;
    let mut running = Running::start(from_ref(&server.url));
    running.scraped().await;
    advance(SECOND - Duration::from_millis(10)).await;
    let Running {
        stop,
        mut task,
        _still,
        ..
    } = running;
    stop.send(()).unwrap();
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    advance(Duration::from_millis(10)).await;
    let rows = (&mut task).await.unwrap().cluster;
    assert_eq!(rows.iter().map(rates).collect::<Vec<_>>(), [RATES]);
    drop(_still);

    let server = one().await;
    let mut running = Running::start(from_ref(&server.url));
    running.scraped().await;
    advance(SECOND / 2).await;
    assert_eq!(running.rows().await, [], "half a second is none");

    // A load that ends before it is measured.
    let (_stop, stopped) = oneshot::channel::<()>();
    drop(_stop);
    let scraper = Scraper::new("run-t1".to_owned(), from_ref(&server.url)).unwrap();
    let from = Instant::now() + SECOND;
    let scraped = scraper.run(from, async { drop(stopped.await) }).await;
    assert_eq!(scraped, Scraped::default());
}

/// The row of a replica that gives these answers again and again.
async fn row_of(case: &str, status: (u16, &str), metrics: (u16, &str)) -> ClusterRow {
    let own = |(code, body): (u16, &str)| (code, body.to_owned());
    let (status, metrics) = (own(status), own(metrics));
    let server = Scripted::start(move |seen| {
        let (code, body) = match seen.path.as_str() {
            "/metrics" => metrics.clone(),
            _ => status.clone(),
        };
        Reply::Answer(code, body)
    })
    .await;
    let mut running = Running::start(from_ref(&server.url));
    running.seconds(1).await;
    let mut rows = running.rows().await;
    assert_eq!(rows.len(), 1, "{case}");
    rows.remove(0)
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_are_no_answers() {
    let status = serde_json::to_string(&status(1, "leader", 1, Some(1), 9)).unwrap();
    let boss = status.replace("leader\"", "../boss\"");
    let metrics = Used::after(0).text();
    let huge = "#\n".repeat(1 << 20);
    let (status, metrics) = ((200, status.as_str()), (200, metrics.as_str()));
    for (case, status, metrics) in [
        ("an error", (503, status.1), metrics),
        ("no JSON", (200, "<html>"), metrics),
        ("another JSON", (200, "{\"id\":1}"), metrics),
        ("no role", (200, boss.as_str()), metrics),
        ("no metrics", status, (404, "")),
        ("too long a status", (200, huge.as_str()), metrics),
        ("too many metrics", status, (200, huge.as_str())),
    ] {
        let row = row_of(case, status, metrics).await;
        assert_eq!(row.role, "unreachable", "{case}");
        assert_eq!((row.replica, row.term), (1, None), "{case}");
    }
    // What is no measurement costs its own field alone.
    for text in [
        "",
        "\u{0}{{{\n= 1\n",
        "process_cpu_seconds_total NaN\nprocess_resident_anonymous_bytes -5\n\
         telegraft_log_written_bytes_total +Inf\ntelegraft_log_syncs_total -1\n\
         telegraft_stage_seconds_bucket{stage=\"queue\",le=\"x\"} 1\n\
         telegraft_stage_seconds_bucket{stage=\"apply\",le=\"+Inf\"} NaN\n",
    ] {
        let row = row_of(text, status, (200, text)).await;
        assert_eq!((row.role.as_str(), row.term), ("leader", Some(1)), "{text}");
        assert_eq!((rates(&row), row.anon_bytes), (NO_RATES, None), "{text}");
        assert_eq!(percentiles(&row), [None; 8], "{text}");
    }
    let row = row_of("all is well", status, metrics).await;
    assert_eq!((rates(&row), row.lag_entries), ([Some(0.0); 3], Some(0)));

    assert!(Scraper::new("run-t1".to_owned(), &[]).is_err());
    assert!(Scraper::new("run-t1".to_owned(), &["nonsense".to_owned()]).is_err());
}
