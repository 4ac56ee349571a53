//! Several generators that share one workload, and their results put together.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telegraft_loadgen::results::RunRow;
use tempfile::TempDir;

use crate::launched::Launched;
use crate::runs::{Ended, Results, Running, assert_sound, due, file, place, run, telegraft};

const OF: usize = 4;
/// The shards have started and set up by then.
const AHEAD: Duration = Duration::from_secs(7);

const OPEN: &str = r#"
message_bytes = { uniform = [40, 200] }

[arrival]
model = "open"
rate = 150
connections = 8

[population]
users = 24
rooms = 6
rooms_per_user = 2
prefill = 2
popularity = { zipf = 1.0 }

[operations.send]
weight = 5

[operations.read]
weight = 3

[operations.join]

[operations.create-room]

[polling]
every = "500ms"
users = 10
"#;

const CLOSED: &str = r#"
message_bytes = 64

[arrival]
model = "closed"
clients = 8
think = "10ms"

[population]
users = 24
rooms = 6
rooms_per_user = 2
prefill = 2

[operations.send]
weight = 2

[operations.read]

[operations.inbox]
"#;

/// Runs `workload` in shards on `targets`, and meanwhile `beside`.
async fn shards(dir: &Path, workload: &str, targets: &str, beside: impl AsyncFnOnce()) {
    let start_at = SystemTime::now() + AHEAD;
    let since = start_at.duration_since(UNIX_EPOCH).expect("it is later");
    let start_at = format!("{:.3}", since.as_secs_f64());
    let start = |nth: usize| {
        let shard = format!("{nth}/{OF}");
        let mut command = telegraft(&["load", workload, "--target", targets]);
        command
            .args(["--shard", &shard, "--start-at", &start_at, "--seed", "5"])
            .args(["--warmup", "300ms", "--duration", "1s"])
            .args(["--record", &place(dir, &format!("{nth}.csv"))])
            .args(["--out", &place(dir, &nth.to_string())]);
        Running::start(&mut command)
    };
    let running: Vec<Running> = (1..=OF).map(start).collect();
    beside().await;
    for shard in running {
        shard.ended().await.with(0);
    }
}

fn results(dir: &Path) -> Vec<Results> {
    let results: Vec<Results> = (1..=OF)
        .map(|nth| Results::open(dir.join(nth.to_string())))
        .collect();
    for (nth, results) in (1..).zip(&results) {
        let row = results.only();
        assert_eq!(row.shard, format!("{nth}/{OF}"));
        assert_sound(row);
        assert_eq!(due(row), row.ok, "{row:?}");
        assert!(row.ok > 0, "{row:?}");
        results.check_sums(&row.run_id);
    }
    for (nth, results) in (1..).zip(&results) {
        valid(
            &dir.join(format!("{nth}/runs.csv")),
            &results.only().verdict,
        );
    }
    let hashes: BTreeSet<&str> = results.iter().map(|r| &*r.only().config_hash).collect();
    assert_eq!(hashes.len(), 1);
    results
}

/// A report counts no run in which the machine was too busy, which is not the question here.
fn valid(runs: &Path, verdict: &str) {
    let text = fs::read_to_string(runs).expect("runs.csv is there");
    fs::write(runs, text.replace(verdict, "valid")).expect("it is written");
}

/// What is put together of some of the shards.
async fn report(dir: &Path, shards: &[usize], out: &str) -> (Ended, String) {
    let mut command = telegraft(&["report", "--out", &place(dir, out)]);
    command.args(shards.iter().map(|nth| place(dir, &nth.to_string())));
    let ended = Running::start(&mut command).ended().await.with(0);
    let report = fs::read_to_string(dir.join(out).join("report.md")).expect("a report");
    (ended, report)
}

/// The cells of the row of a report's table under `title` that begins with `first`, by heading.
fn cells(report: &str, title: &str, first: &[&str]) -> Vec<(String, String)> {
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim().trim_matches('|');
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let part = report.split(&format!("## {title}\n")).nth(1);
    let part = part.unwrap_or_else(|| panic!("no {title} in {report}"));
    let part = part.split("\n## ").next().unwrap_or_default();
    let mut lines = part
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| ---"))
        .map(cells);
    let head = lines.next().expect("a table has a head");
    let begins = |row: &Vec<String>| first.iter().all(|cell| row.iter().any(|c| c == cell));
    let row = lines.find(begins);
    let row = row.unwrap_or_else(|| panic!("no row of {first:?} in {part}"));
    head.into_iter().zip(row).collect()
}

fn sum(results: &[Results], op: &str, of: impl Fn(&RunRow) -> u64) -> u64 {
    let rows = results.iter().map(|r| r.row(&r.only().run_id, op));
    rows.map(of).sum()
}

/// Counts of the report are sums, its percentiles those of the sum of all histograms.
async fn check_report(dir: &Path, results: &[Results]) {
    let id = results[0].only().run_id.clone();
    let (ended, text) = report(dir, &[1, 2, 3, 4], "all").await;
    let runs = cells(&text, "Audit and verdict of every run", &[]);
    let value = |cells: &[(String, String)], name: &str| -> String {
        let cell = cells.iter().find(|(head, _)| head == name);
        cell.unwrap_or_else(|| panic!("no {name} in {cells:?}"))
            .1
            .clone()
    };
    let number = |text: String| -> u64 {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    assert_eq!(
        number(value(&runs, "ok")),
        sum(results, "all", |row| row.ok)
    );
    assert_eq!(
        number(value(&runs, "retries")),
        sum(results, "all", |row| row.retries)
    );
    assert_eq!(value(&runs, "audit"), "ok");
    assert!(text.contains("4 of 4"), "{text}");
    assert!(ended.stdout.contains("4 of 4"), "{}", ended.stdout);

    let op = "send";
    let histograms = results.iter().map(|results| {
        let hlog = results
            .dir
            .read_total_hlog(&id)
            .expect("latencies are there");
        hlog.merged(op).expect("it has sent")
    });
    let merged = histograms.reduce(|mut sum, more| {
        sum.auto(true);
        sum.add(&more).expect("they are of one shape");
        sum
    });
    let merged = merged.expect("there are shards");
    assert_eq!(merged.len(), sum(results, op, |row| row.ok));
    let latency = cells(&text, "Latency", &[op]);
    for (head, quantile) in [("p50 (ms)", 0.5), ("p99 (ms)", 0.99)] {
        let told: f64 = value(&latency, head).parse().expect("a number");
        let own = merged.value_at_quantile(quantile) as f64 / 1e3;
        assert!((told / own - 1.0).abs() < 0.006, "{head}: {told} and {own}");
    }

    let (ended, text) = report(dir, &[1, 2, 4], "some").await;
    for told in [&ended.stdout, &text] {
        assert!(told.contains("shard 3 of 4 is missing"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_of_an_open_workload_do_together_what_one_does_alone() {
    let launched = Launched::start(&[]).await;
    let targets = launched.targets();
    let dir = TempDir::new().expect("a directory");
    let workload = file(dir.path(), "shared.toml", OPEN);
    let (whole, out) = (place(dir.path(), "whole.csv"), place(dir.path(), "whole"));
    shards(dir.path(), &workload, &targets, async || {
        let mut arguments = vec!["load", &workload, "--target", &targets, "--seed", "5"];
        arguments.extend(["--warmup", "300ms", "--duration", "1s"]);
        arguments.extend(["--record", &whole, "--out", &out]);
        run(&arguments).await.with(0);
    })
    .await;
    let results = results(dir.path());

    let lines = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(dir.path().join(name)).expect("a recording");
        text.lines().skip(1).map(str::to_owned).collect()
    };
    let parts: Vec<Vec<String>> = (1..=OF).map(|nth| lines(&format!("{nth}.csv"))).collect();
    let user = |line: &String| line.split(',').nth(1).expect("a column").to_owned();
    let users: Vec<BTreeSet<String>> = parts
        .iter()
        .map(|part| part.iter().map(user).collect())
        .collect();
    for (nth, own) in users.iter().enumerate() {
        for other in &users[..nth] {
            assert!(own.is_disjoint(other), "{own:?} and {other:?}");
        }
    }
    let mut together = parts.concat();
    let mut whole = lines("whole.csv");
    together.sort_unstable();
    whole.sort_unstable();
    assert_eq!(together, whole);

    let alone = Results::open(dir.path().join("whole"));
    for op in ["send", "read", "inbox", "join", "create-room", "all"] {
        let due_alone = due(alone.row(&alone.only().run_id, op));
        assert_eq!(sum(&results, op, due), due_alone, "{op}");
    }
    check_report(dir.path(), &results).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_of_a_closed_workload_have_its_clients_between_them() {
    let launched = Launched::start(&[]).await;
    let dir = TempDir::new().expect("a directory");
    let workload = file(dir.path(), "shared.toml", CLOSED);
    shards(dir.path(), &workload, &launched.targets(), async || ()).await;
    let results = results(dir.path());
    assert!(results.iter().all(|results| results.only().clients == 8));
    check_report(dir.path(), &results).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_others_never_come_says_so() {
    let launched = Launched::start(&[]).await;
    let dir = TempDir::new().expect("a directory");
    let workload = file(dir.path(), "shared.toml", OPEN);
    let targets = launched.targets();
    let with = |start_at: SystemTime| {
        let since = start_at.duration_since(UNIX_EPOCH).expect("it is later");
        let start_at = format!("{:.3}", since.as_secs_f64());
        let mut command = telegraft(&["load", &workload, "--target", &targets]);
        command.args(["--shard", "1/2", "--start-at", &start_at]);
        command
            .arg("--out")
            .arg(dir.path().join("out").join(&start_at));
        Running::start(&mut command).ended()
    };
    let told = with(SystemTime::now() + Duration::from_secs(2))
        .await
        .with(1);
    assert!(
        told.stderr.contains("another shard was to create it"),
        "{}",
        told.stderr
    );
    let told = with(SystemTime::now() - Duration::from_secs(60))
        .await
        .with(1);
    assert!(told.stderr.contains("--start-at was 6"), "{}", told.stderr);
}
