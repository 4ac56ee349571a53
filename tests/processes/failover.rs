//! `telegraft bench` with faults: the outage is in the numbers, and nothing acknowledged is lost.

use std::path::Path;

use tempfile::TempDir;

use crate::harness::slot;
use crate::runs::{Ended, Results, Running, assert_sound, due, file, known, place, telegraft};

const ID: &str = "telegraft-3-sends-t1";
const CLOSED: &str = "model = \"closed\"\nclients = 8";
const OPEN: &str = "model = \"open\"\nrate = 100\nspacing = \"constant\"\nconnections = 32";

/// Sends for five seconds and no warm-up, and what happens after two.
fn suite(arrival: &str, fault: &str) -> String {
    format!(
        r#"
replicas = [3]
workloads = ["sends"]
warmup = "0s"
duration = "5s"

[workload.sends]
message_bytes = 64

[workload.sends.arrival]
{arrival}

[workload.sends.population]
users = 16
rooms = 4
rooms_per_user = 1

[workload.sends.operations.send]

[[workload.sends.faults]]
at = "2s"
{fault}
"#
    )
}

async fn bench(dir: &Path, suite: &str) -> (Ended, Results) {
    let suite = file(dir, "failover.toml", suite);
    let out = place(dir, "results");
    let mut command = telegraft(&["bench", &suite, "--out", &out]);
    let ended = Running::start(&mut command).ended().await.with(0);
    let results = Results::open(dir.join("results"));
    assert_eq!(results.runs(), [ID]);
    results.check_sums(ID);
    assert_sound(results.only());
    (ended, results)
}

/// Sends that succeeded in each second.
fn by_second(results: &Results) -> Vec<u64> {
    let intervals = results
        .dir
        .read_intervals()
        .expect("intervals.csv is there");
    let mut sends: Vec<(u32, u64)> = intervals
        .rows
        .iter()
        .filter(|(_, row)| row.op == "send")
        .map(|(_, row)| (row.second, row.ok))
        .collect();
    sends.sort_unstable();
    assert!(
        sends.iter().map(|(second, _)| *second).eq(0..5),
        "{sends:?}"
    );
    sends.into_iter().map(|(_, ok)| ok).collect()
}

/// How long no write succeeded, in milliseconds.
fn outage(results: &Results) -> u64 {
    let ms = results.only().failover_ms.expect("there was a fault");
    assert!(ms > 0.0 && ms < 5_000.0, "{ms}");
    format!("{ms:.0}").parse().expect("it is a number")
}

/// All of `events.csv`: the second, what, to which replica, and what else.
fn events(results: &Results) -> Vec<(f64, String, u64, String)> {
    let read = results.dir.read_events().expect("events.csv is there");
    assert_eq!(read.problems, []);
    let rows = read.rows.into_iter().map(|(_, row)| {
        assert_eq!(row.run_id, ID);
        (row.at_s, row.event, row.replica, row.detail)
    });
    let events: Vec<_> = rows.collect();
    assert!(events.is_sorted_by_key(|event| event.0), "{events:?}");
    events
}

/// How often a stage was passed, by replica.
fn passed(results: &Results, stage: &str) -> Vec<(u64, u64)> {
    let read = results.dir.read_stages().expect("stages.csv is there");
    assert_eq!(read.problems, []);
    let rows = read.rows.iter().map(|(_, row)| row);
    let of_stage = rows.filter(|row| row.stage == stage);
    of_stage.map(|row| (row.replica, row.count)).collect()
}

#[tokio::test]
async fn a_leader_that_is_killed_costs_nothing_that_was_acknowledged() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let kill = "action = \"kill\"\nto = \"leader\"";
    let (told, results) = bench(dir.path(), &suite(CLOSED, kill)).await;

    let ms = outage(&results);
    let row = results.only();
    assert!(row.retries > 0, "the load met the fault: {row:?}");
    // Somebody's write was open all the while. (Between two milliseconds lies one.)
    let longest = known(row.response_max_us) / 1000;
    assert!(
        longest + 20 >= ms,
        "{longest} ms and {ms} ms without a write: {row:?}"
    );
    let ok = by_second(&results);
    // Of the seconds that the outage lies in, one has as much less as it is long, or nearly so.
    let usual = ok[0].max(ok[1]);
    let least = ok[2..].iter().min().expect("there are five");
    assert!(*least < usual, "{ok:?}");
    if ms >= 2_000 {
        assert_eq!(*least, 0, "{ok:?}");
    }
    let told = told.stderr;
    assert!(told.contains("kill -9 of replica"), "{told}");
    assert!(
        told.contains("without a successful write after a fault"),
        "{told}"
    );
    assert!(results.text("report.md").contains("Fail-over"));
    // The leader that is gone, and the one that came.
    let cluster = results
        .dir
        .read_cluster()
        .expect("cluster.csv is there")
        .rows;
    let leader = |second: u32| {
        let mut rows = cluster.iter().map(|(_, row)| row);
        rows.find(|row| row.second == second && row.role == "leader")
    };
    let (before, after) = (leader(0).expect("one led"), leader(4).expect("one leads"));
    assert!(before.replica != after.replica && before.term < after.term);
    let gone = cluster
        .iter()
        .any(|(_, row)| row.replica == before.replica && row.role == "unreachable");
    assert!(gone, "{cluster:?}");

    let events = events(&results);
    let [(at, kill, killed, whom), (seen_at, leads, new, term), ..] = &events[..] else {
        panic!("a kill and another leader: {events:?}");
    };
    assert_eq!((kill.as_str(), whom.as_str()), ("kill", "leader"));
    assert_eq!(*killed, before.replica, "{events:?}");
    // As soon as the leader was found, two seconds after the beginning.
    assert!((2.0..2.5).contains(at), "{events:?}");
    assert_eq!(leads, "leader");
    assert!(term.starts_with("term ") && new != killed, "{events:?}");
    assert!(at < seen_at && *seen_at < 5.1, "{events:?}");
    let (_, _, last, term) = events.last().expect("there are two");
    let leads = (after.replica, after.term.map(|term| format!("term {term}")));
    assert_eq!((*last, Some(term.clone())), leads, "{events:?}");

    // Every replica's commits from the first scrape to the last. What the killed leader did after
    // the last one that it answered is lost, less than the seconds around its end.
    let passed = passed(&results, "commit");
    assert_eq!(
        passed
            .iter()
            .map(|(replica, _)| *replica)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let commits: u64 = passed.iter().map(|(_, count)| count).sum();
    let (acknowledged, around) = (row.ok, ok[1].max(ok[2]) + ok[0]);
    assert!(
        commits + around >= acknowledged,
        "{passed:?} of {acknowledged}"
    );
    // Those that nobody was told of, and the leaders' own.
    assert!(commits <= acknowledged + 50, "{passed:?} of {acknowledged}");
    assert!(
        passed
            .iter()
            .any(|(replica, count)| replica == new && *count > 0)
    );
}

#[tokio::test]
async fn in_an_open_loop_everyone_who_came_meanwhile_has_waited() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let kill = "action = \"kill\"\nto = \"leader\"";
    let (_, results) = bench(dir.path(), &suite(OPEN, kill)).await;

    let row = results.row(ID, "send");
    // However long answers took, 100 a second were due for five seconds.
    assert_eq!(due(row), 500, "{row:?}");
    assert_eq!(row.target_rate_per_s, Some(100.0));
    let ms = outage(&results);
    // As long as nothing succeeded, 100 a second came, and waited until then: of 500, one in a
    // hundred waited for nearly all of it.
    let (p50, p99) = (
        known(row.response_p50_us),
        known(row.response_p99_us) / 1000,
    );
    let last_five = 50;
    assert!(
        p99 + last_five + 50 >= ms,
        "p99 {p99} ms, {ms} ms without a write: {row:?}"
    );
    assert!(p99 >= 100, "{row:?}");
    assert!(known(row.service_p50_us) <= p50, "{row:?}");
    assert!(row.response_mean_us.is_some_and(|mean| mean > 0.0));
}

#[tokio::test]
async fn a_leader_that_stands_still_for_a_while_is_replaced_and_comes_back() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let pause = "action = \"pause\"\nto = \"leader\"\nfor = \"2s\"";
    let (told, results) = bench(dir.path(), &suite(OPEN, pause)).await;
    let row = results.row(ID, "send");
    assert_eq!(due(row), 500, "{row:?}");
    outage(&results);
    assert!(
        told.stderr.contains("SIGSTOP of replica"),
        "{}",
        told.stderr
    );
    let events = events(&results);
    let of = |event: &str| {
        let mut found = events.iter().filter(|(_, name, ..)| name == event);
        let first = found.next().expect(event);
        assert!(found.next().is_none(), "{events:?}");
        (first.0, first.2)
    };
    let ((paused, who), (resumed, same)) = (of("pause"), of("resume"));
    assert_eq!(who, same, "{events:?}");
    assert!((2.0..2.5).contains(&paused), "{events:?}");
    assert!((4.0..4.5).contains(&resumed), "{events:?}");
    let mut changes = events.iter().filter(|(_, name, ..)| name == "leader");
    assert!(
        changes.any(|(at, _, new, _)| *at > paused && *new != who),
        "{events:?}"
    );
    let cluster = results
        .dir
        .read_cluster()
        .expect("cluster.csv is there")
        .rows;
    let terms: Vec<u64> = cluster.iter().filter_map(|(_, row)| row.term).collect();
    assert!(
        terms.iter().max() > terms.first(),
        "another one was elected: {terms:?}"
    );
    // It has gone on before the end, and is behind nobody: the audit has read all replicas.
    let end = cluster.iter().filter(|(_, row)| row.second == 4);
    assert!(
        end.clone().all(|(_, row)| row.role != "unreachable"),
        "{cluster:?}"
    );
    assert_eq!(end.count(), 3);
}

#[tokio::test]
async fn a_follower_that_is_restarted_is_hardly_felt() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let restart = "action = \"restart\"\nto = \"follower\"";
    let (told, results) = bench(dir.path(), &suite(CLOSED, restart)).await;
    assert!(
        told.stderr.contains("restart of replica"),
        "{}",
        told.stderr
    );
    let row = results.only();
    assert_eq!(due(row), row.ok, "{row:?}");
    let events = events(&results);
    let [(stopped, restart, who, whom), (started, start, same, none)] = &events[..] else {
        panic!("an end and a beginning: {events:?}");
    };
    assert_eq!((restart.as_str(), whom.as_str()), ("restart", "follower"));
    assert_eq!((start.as_str(), none.as_str()), ("start", ""));
    assert!(who == same && stopped < started, "{events:?}");
    assert!((2.0..2.5).contains(stopped), "{events:?}");
    // A follower commits nothing, and has written before and after.
    let count = |stage| {
        passed(&results, stage)
            .into_iter()
            .find(|(id, _)| id == who)
    };
    assert_eq!(count("commit"), Some((*who, 0)));
    let written = count("log_write").expect("it has a row").1;
    let ok = by_second(&results);
    // Each of its log's appends has at least one of the leader's entries.
    assert!((1..=row.ok + 50).contains(&written), "{written} {row:?}");
    assert!(
        ok.iter().all(|ok| *ok > 0),
        "a quorum was always there: {ok:?}"
    );
}
