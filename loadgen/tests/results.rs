//! Result directories, as their writers and readers see them.

#![allow(
    clippy::unwrap_used,
    reason = "tests may stop at the first surprise, their helpers too"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use telegraft_loadgen::results::{
    BuildInfo, ClusterRow, Environment, EventRow, IntervalRow, LatencyUs, MAX_LATENCY_US,
    ResultDir, ResultsError, Row, RunRow, SCHEMA_VERSION, StageRow, add, latency_histogram,
};

/// 2026-03-01T12:30:05Z.
fn started_at() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_368_205)
}

fn run_row(run_id: &str, op: &str) -> RunRow {
    RunRow {
        schema_version: SCHEMA_VERSION,
        run_id: run_id.to_owned(),
        config_hash: "00ff".to_owned(),
        suite: "default".to_owned(),
        workload: "write-heavy".to_owned(),
        system: "telegraft".to_owned(),
        replicas: 3,
        durability: "fsync".to_owned(),
        consistency: "linearizable".to_owned(),
        mailbox: "lanes".to_owned(),
        targets: "leader".to_owned(),
        arrival: "closed".to_owned(),
        clients: 64,
        connections: 64,
        message_bytes: 128,
        target_rate_per_s: None,
        trial: 1,
        seed: 42,
        started_at: "2026-03-01T12:30:05Z".to_owned(),
        warmup_s: 1.0,
        duration_s: 10.5,
        op: op.to_owned(),
        attempts: 1012,
        retries: 7,
        ok: 1000,
        failed: 3,
        unknown: 2,
        unfinished: 0,
        ok_per_s: 95.25,
        response_mean_us: Some(812.5),
        response_p50_us: LatencyUs::Known(700),
        response_p90_us: LatencyUs::Known(900),
        response_p95_us: LatencyUs::Known(950),
        response_p99_us: LatencyUs::Known(2000),
        response_p999_us: LatencyUs::BeyondTimeout,
        response_max_us: LatencyUs::BeyondTimeout,
        service_p50_us: LatencyUs::Known(700),
        service_p99_us: LatencyUs::Known(2000),
        service_p999_us: LatencyUs::None,
        generator_cpu_cores: 0.75,
        cluster_cpu_cores: 1.2,
        schedule_lag_p99_us: None,
        audit: "lost: 1 of 1,000 \"sends\"\n(room 7)".to_owned(),
        verdict: "invalid:audit".to_owned(),
        failover_ms: Some(612.0),
        shard: "2/4".to_owned(),
        queue_p99_us: Some(41),
        generator_delay_p99_us: None,
        steady: "not judged: 4 s are too few".to_owned(),
        slo: "missed: send response_p99 31.2 ms > 20 ms (1.56 x)".to_owned(),
    }
}

fn interval_row(second: u32) -> IntervalRow {
    IntervalRow {
        schema_version: SCHEMA_VERSION,
        run_id: "a-1".to_owned(),
        second,
        op: "send".to_owned(),
        ok: 100,
        failed: 12,
        unknown: 1,
        response_p50_us: Some(700),
        response_p99_us: None,
        response_max_us: Some(1_000_000),
        failures: "503:12 timeout:1".to_owned(),
        unfinished: 2,
        retries: 9,
        service_p50_us: Some(650),
        service_p99_us: None,
        queued: Some(17),
    }
}

fn cluster_row(second: u32, role: &str) -> ClusterRow {
    let known = (role != "unreachable").then_some(u64::from(second));
    ClusterRow {
        schema_version: SCHEMA_VERSION,
        run_id: "a-1".to_owned(),
        second,
        replica: 3,
        role: role.to_owned(),
        term: known,
        commit_index: known,
        applied_index: known,
        last_index: known,
        lag_entries: known,
        cpu_cores: known.map(|_| 0.375),
        anon_bytes: known,
        log_bytes_per_s: known.map(|_| 1e6),
        fdatasyncs_per_s: None,
        queue_p50_us: known,
        queue_p99_us: None,
        log_write_p50_us: known,
        log_write_p99_us: None,
        commit_p50_us: known,
        commit_p99_us: None,
        apply_p50_us: known,
        apply_p99_us: None,
    }
}

fn stage_row(run_id: &str, stage: &str, count: u64) -> StageRow {
    let known = (count > 0).then_some(count);
    StageRow {
        schema_version: SCHEMA_VERSION,
        run_id: run_id.to_owned(),
        replica: 2,
        stage: stage.to_owned(),
        count,
        mean_us: known.map(|_| 812.125),
        p50_us: known,
        p90_us: known,
        p99_us: known.map(|us| us * 10),
    }
}

fn event_row(run_id: &str, at_s: f64, event: &str, detail: &str) -> EventRow {
    EventRow {
        schema_version: SCHEMA_VERSION,
        run_id: run_id.to_owned(),
        at_s,
        event: event.to_owned(),
        replica: 3,
        detail: detail.to_owned(),
    }
}

fn new_dir(root: &Path) -> ResultDir {
    ResultDir::create(root, "default", started_at()).unwrap()
}

/// Good rows and what is told about the others.
fn read(dir: &ResultDir) -> (Vec<(u64, RunRow)>, Vec<String>) {
    let read = dir.read_runs().unwrap();
    let problems = read.problems.iter().map(ToString::to_string).collect();
    (read.rows, problems)
}

#[test]
fn a_directory_is_named_after_time_and_suite_and_never_used_twice() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().join("results");
    let name = |dir: &ResultDir| dir.path().file_name().unwrap().to_owned();
    assert_eq!(name(&new_dir(&root)), "20260301T123005Z-default");
    assert_eq!(name(&new_dir(&root)), "20260301T123005Z-default-2");
    let odd = ResultDir::create(&root, "../my suite", started_at()).unwrap();
    assert_eq!(name(&odd), "20260301T123005Z-..-my-suite");
    assert_eq!(odd.path().parent().unwrap(), root);

    let there = root.join("there");
    ResultDir::create_at(&there).unwrap();
    let error = ResultDir::create_at(&there).unwrap_err().to_string();
    assert!(error.contains("there: "), "{error}");
    assert!(ResultDir::open(&root.join("absent")).is_err());
}

#[test]
fn rows_come_back_as_they_were_written() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let first = [run_row("a-1", "send"), run_row("a-1", "all")];
    let second = [run_row("a-2", "read")];
    dir.append_run(&first).unwrap();
    // Another process goes on.
    let dir = ResultDir::open(dir.path()).unwrap();
    dir.append_run(&second).unwrap();

    let (rows, problems) = read(&dir);
    let rows: Vec<RunRow> = rows.into_iter().map(|(_, row)| row).collect();
    assert_eq!(rows, [first.as_slice(), &second].concat());
    assert_eq!(problems, [] as [&str; 0]);

    let intervals = [interval_row(0), interval_row(1)];
    dir.append_intervals(&intervals).unwrap();
    let read = dir.read_intervals().unwrap();
    let read: Vec<IntervalRow> = read.rows.into_iter().map(|(_, row)| row).collect();
    assert_eq!(read, intervals);

    let cluster = [cluster_row(0, "leader"), cluster_row(0, "unreachable")];
    dir.append_cluster(&cluster).unwrap();
    let read = dir.read_cluster().unwrap();
    let read: Vec<ClusterRow> = read.rows.into_iter().map(|(_, row)| row).collect();
    assert_eq!(read, cluster);

    let stages = [stage_row("a-1", "commit", 7), stage_row("a-1", "apply", 0)];
    dir.append_stages(&stages).unwrap();
    let read = dir.read_stages().unwrap();
    let read: Vec<StageRow> = read.rows.into_iter().map(|(_, row)| row).collect();
    assert_eq!(read, stages);

    let events = [
        event_row("a-1", 2.003, "kill", "leader"),
        event_row("a-1", 4.0, "leader", "term 5"),
        event_row("a-1", 5.5, "start", ""),
    ];
    dir.append_events(&events[..1]).unwrap();
    dir.append_events(&events[1..]).unwrap();
    let read = dir.read_events().unwrap();
    let read: Vec<EventRow> = read.rows.into_iter().map(|(_, row)| row).collect();
    assert_eq!(read, events);
}

/// The names are an interface: `interfaces` of other programs read these files too.
#[test]
fn the_columns_are_the_documented_ones() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    dir.append_run(&[run_row("a-1", "send")]).unwrap();
    dir.append_intervals(&[interval_row(3)]).unwrap();
    dir.append_cluster(&[cluster_row(3, "leader")]).unwrap();
    dir.append_stages(&[stage_row("a-1", "queue", 3)]).unwrap();
    dir.append_events(&[event_row("a-1", 1.0, "kill", "")])
        .unwrap();
    let head = |file: &str| {
        let text = fs::read_to_string(dir.path().join(file)).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    assert_eq!(
        head("runs.csv"),
        "schema_version,run_id,config_hash,suite,workload,system,replicas,durability,\
         consistency,mailbox,targets,arrival,clients,connections,message_bytes,\
         target_rate_per_s,trial,seed,started_at,warmup_s,duration_s,op,attempts,retries,ok,\
         failed,unknown,unfinished,ok_per_s,response_mean_us,response_p50_us,response_p90_us,\
         response_p95_us,response_p99_us,response_p999_us,response_max_us,service_p50_us,\
         service_p99_us,service_p999_us,generator_cpu_cores,cluster_cpu_cores,\
         schedule_lag_p99_us,audit,verdict,failover_ms,shard,queue_p99_us,\
         generator_delay_p99_us,steady,slo"
    );
    assert_eq!(
        head("intervals.csv"),
        "schema_version,run_id,second,op,ok,failed,unknown,response_p50_us,response_p99_us,\
         response_max_us,failures,unfinished,retries,service_p50_us,service_p99_us,queued"
    );
    assert_eq!(
        head("cluster.csv"),
        "schema_version,run_id,second,replica,role,term,commit_index,applied_index,last_index,\
         lag_entries,cpu_cores,anon_bytes,log_bytes_per_s,fdatasyncs_per_s,queue_p50_us,\
         queue_p99_us,log_write_p50_us,log_write_p99_us,commit_p50_us,commit_p99_us,\
         apply_p50_us,apply_p99_us"
    );
    assert_eq!(
        head("stages.csv"),
        "schema_version,run_id,replica,stage,count,mean_us,p50_us,p90_us,p99_us"
    );
    assert_eq!(
        head("events.csv"),
        "schema_version,run_id,at_s,event,replica,detail"
    );

    // What serde writes is what the list of columns says.
    fn written<T: Row>(row: &T) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(row).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        text.lines().next().unwrap().to_owned()
    }
    let (run, interval) = (run_row("a-1", "send"), interval_row(3));
    assert_eq!(written(&run), RunRow::COLUMNS.join(","));
    assert_eq!(written(&interval), IntervalRow::COLUMNS.join(","));
    let cluster = cluster_row(3, "leader");
    assert_eq!(written(&cluster), ClusterRow::COLUMNS.join(","));
    let stage = stage_row("a-1", "queue", 3);
    assert_eq!(written(&stage), StageRow::COLUMNS.join(","));
    let event = event_row("a-1", 1.0, "kill", "");
    assert_eq!(written(&event), EventRow::COLUMNS.join(","));
}

#[test]
fn a_half_written_last_line_is_told_and_cut_by_the_next_writer() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let mut plain = run_row("a-1", "send");
    plain.audit = "ok".to_owned();
    dir.append_run(&[plain.clone(), plain.clone()]).unwrap();
    let path = dir.path().join("runs.csv");
    let whole = fs::read(&path).unwrap();
    let second_row = whole.len() - (whole.len() - header_bytes(&whole)) / 2;

    for cut in second_row + 1..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (rows, problems) = read(&dir);
        assert_eq!(rows, [(2, plain.clone())]);
        assert_eq!(
            problems,
            ["runs.csv:3: the last line is half-written: its writer was interrupted"]
        );
    }
    // The next row may be shorter than what is cut.
    let torn = [&whole[..second_row], b"1,a-2,", &[b'x'; 2000]].concat();
    fs::write(&path, torn).unwrap();
    let third = run_row("a-3", "send");
    dir.append_run(std::slice::from_ref(&third)).unwrap();
    let (rows, problems) = read(&dir);
    assert_eq!(rows, [(2, plain), (3, third)]);
    assert_eq!(problems, [] as [&str; 0]);
}

#[test]
fn rows_of_some_runs_are_left_out_and_whatever_is_half_written() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    dir.append_run(&[run_row("a-1", "send"), run_row("a-1", "all")])
        .unwrap();
    dir.append_run(&[run_row("a-2", "send")]).unwrap();
    let path = dir.path().join("runs.csv");
    let first = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{first}1,a-2,ha")).unwrap();
    for run in ["a-1", "a-2"] {
        dir.append_stages(&[stage_row(run, "queue", 3)]).unwrap();
        dir.append_events(&[event_row(run, 1.0, "kill", "")])
            .unwrap();
    }
    // A writer that was killed before its first line was whole.
    let head = dir.path().join("cluster.csv");
    fs::write(&head, "schema_version,run").unwrap();

    dir.retain_runs(|run| run == "a-1").unwrap();
    let (rows, problems) = read(&dir);
    let ops: Vec<&str> = rows.iter().map(|(_, row)| row.op.as_str()).collect();
    assert_eq!((ops, problems.len()), (vec!["send", "all"], 0));
    assert!(first.starts_with(&fs::read_to_string(&path).unwrap()));
    let stages = dir.read_stages().unwrap().rows;
    assert_eq!(stages, [(2, stage_row("a-1", "queue", 3))]);
    let events = dir.read_events().unwrap().rows;
    assert_eq!(events, [(2, event_row("a-1", 1.0, "kill", ""))]);
    assert!(!head.exists() && !dir.path().join("intervals.csv").exists());
}

fn header_bytes(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').unwrap() + 1
}

/// Replaces one field, of the row at `line`, in a file without quotes.
fn set(path: &Path, line: usize, column: &str, value: &str) {
    let text = fs::read_to_string(path).unwrap();
    let at = RunRow::COLUMNS.iter().position(|c| *c == column).unwrap();
    let lines: Vec<String> = (1..)
        .zip(text.lines())
        .map(|(number, text)| {
            let mut fields: Vec<&str> = text.split(',').collect();
            if number == line {
                fields[at] = value;
            }
            fields.join(",") + "\n"
        })
        .collect();
    fs::write(path, lines.concat()).unwrap();
}

#[test]
fn bad_rows_are_left_out_with_file_line_and_reason() {
    for (column, value, reason) in [
        ("ok", "many", "column ok: invalid digit found in string"),
        ("ok", "-1", "column ok: invalid digit found in string"),
        ("ok_per_s", "NaN", "ok_per_s NaN is no measurement"),
        ("ok_per_s", "inf", "ok_per_s inf is no measurement"),
        ("duration_s", "-3", "duration_s -3 is no measurement"),
        ("response_p50_us", "12ms", "\"12ms\" is no latency"),
        (
            "run_id",
            "../../etc",
            "run_id \"../../etc\" has characters other than letters, digits, '.', '_' and '-'",
        ),
        (
            "op",
            "",
            "op \"\" has characters other than letters, digits, '.', '_' and '-'",
        ),
        (
            "verdict",
            "valid,1,2",
            "it has 52 fields, and the head of the file has 50",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        let dir = new_dir(root.path());
        let mut plain = run_row("a-1", "send");
        plain.audit = "ok".to_owned();
        dir.append_run(&[plain.clone(), plain.clone(), plain.clone()])
            .unwrap();
        set(&dir.path().join("runs.csv"), 3, column, value);

        let (rows, problems) = read(&dir);
        assert_eq!(rows, [(2, plain.clone()), (4, plain)], "{column}={value}");
        assert_eq!(problems, [format!("runs.csv:3: {reason}")]);
    }

    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    dir.append_run(&[run_row("a-1", "send")]).unwrap();
    let path = dir.path().join("runs.csv");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"1,\xff\xfe\n");
    fs::write(&path, bytes).unwrap();
    let (rows, problems) = read(&dir);
    assert_eq!(rows.len(), 1);
    // The row before it has a line break in a quoted field.
    assert_eq!(problems, ["runs.csv:4: it is not UTF-8 text"]);
}

#[test]
fn stages_and_events_that_nobody_writes_are_left_out() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let error = dir.read_stages().unwrap_err().to_string();
    assert_eq!(error, "stages.csv: there is no such file");
    let error = dir.read_events().unwrap_err().to_string();
    assert_eq!(error, "events.csv: there is no such file");

    let file = |name: &str, columns: &[&str], rows: &[&str]| {
        let text = [&[columns.join(",").as_str()], rows].concat().join("\n") + "\n";
        fs::write(dir.path().join(name), text).unwrap();
    };
    file(
        StageRow::FILE,
        StageRow::COLUMNS,
        &[
            "1,a-1,2,queue,3,812.5,3,4,5",
            "1,a-1,2,queue,0,812.5,,,",
            "1,a-1,2,queue,0,,,4,",
            "1,a-1,2,queue,3,812.5,3,2,5",
            "1,a-1,2,queue,3,-1,3,4,5",
            "1,a-1,2,../queue,3,812.5,3,4,5",
            "1,a-1,2,queue,3,,3,4,5",
            "1,a-1,second,queue,3,,3,4,5",
        ],
    );
    let read = dir.read_stages().unwrap();
    let good: Vec<u64> = read.rows.iter().map(|(line, _)| *line).collect();
    assert_eq!(good, [2, 8]);
    let told: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "stages.csv:3: count is 0, and there are times",
            "stages.csv:4: count is 0, and there are times",
            "stages.csv:5: percentiles [3, 2, 5] do not ascend",
            "stages.csv:6: mean_us -1 is no measurement",
            "stages.csv:7: stage \"../queue\" has characters other than letters, digits, '.', '_' \
             and '-'",
            "stages.csv:9: column replica: invalid digit found in string",
        ]
    );

    file(
        EventRow::FILE,
        EventRow::COLUMNS,
        &[
            "1,a-1,2.5,kill,3,\"the leader, twice\"",
            "1,a-1,-2.5,kill,3,",
            "1,a-1,NaN,kill,3,",
            "1,a-1,2.5,kill -9,3,",
            "1,a/1,2.5,kill,3,",
            "1,a-1,2.5,kill,,",
        ],
    );
    let read = dir.read_events().unwrap();
    assert_eq!(
        read.rows,
        [(2, event_row("a-1", 2.5, "kill", "the leader, twice"))]
    );
    let lines: Vec<Option<u64>> = read.problems.iter().map(|one| one.line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7].map(Some));
}

/// An editor or a spreadsheet of Windows has saved it.
#[test]
fn lines_are_counted_right_whatever_ends_them() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let rows: Vec<RunRow> = (1..=4)
        .map(|nth| run_row(&format!("a-{nth}"), "send"))
        .collect();
    dir.append_run(&rows).unwrap();
    let path = dir.path().join("runs.csv");
    // Each row has a line break in a quoted field. One row is bad, and there is an empty line.
    let text = fs::read_to_string(&path).unwrap();
    let text = text
        .replacen("a-2", "../2", 1)
        .replacen("\n1,a-3", "\n\n1,a-3", 1);
    let expected: Vec<(u64, &str)> = vec![(2, "a-1"), (7, "a-3"), (9, "a-4")];
    for text in [text.clone(), text.replace('\n', "\r\n")] {
        let mut bytes = text.into_bytes();
        bytes.extend(b"1,\xff\r\n1,tor");
        fs::write(&path, bytes).unwrap();
        let (rows, problems) = read(&dir);
        let rows: Vec<(u64, &str)> = rows
            .iter()
            .map(|(at, row)| (*at, &row.run_id[..]))
            .collect();
        assert_eq!(rows, expected);
        let lines: Vec<&str> = problems.iter().map(|told| &told[..12]).collect();
        assert_eq!(
            lines,
            ["runs.csv:4: ", "runs.csv:11:", "runs.csv:12:"],
            "{problems:?}"
        );
    }

    // It is gone on with.
    let bytes = [RunRow::COLUMNS.join(",").as_bytes(), b"\r\n"].concat();
    fs::write(&path, bytes).unwrap();
    dir.append_run(&rows[..1]).unwrap();
    assert_eq!(read(&dir), (vec![(2, rows[0].clone())], vec![]));
}

#[test]
fn columns_of_others_are_passed_over_and_lacking_ones_are_named() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let mut plain = run_row("a-1", "send");
    plain.audit = "ok".to_owned();
    dir.append_run(&[plain.clone()]).unwrap();
    let path = dir.path().join("runs.csv");
    let text = fs::read_to_string(&path).unwrap();

    let wider: Vec<String> = ["note,", "\"a, b\","]
        .iter()
        .zip(text.lines())
        .map(|(more, line)| format!("{more}{line}\n"))
        .collect();
    fs::write(&path, wider.concat()).unwrap();
    assert_eq!(read(&dir), (vec![(2, plain.clone())], vec![]));
    let error = dir.append_run(&[plain.clone()]).unwrap_err().to_string();
    assert!(
        error.starts_with("runs.csv:1: it has other columns"),
        "{error}"
    );

    // A file from before fail-over was measured.
    fs::write(&path, without_last_columns(&text, 6)).unwrap();
    let without = RunRow {
        failover_ms: None,
        shard: String::new(),
        queue_p99_us: None,
        generator_delay_p99_us: None,
        steady: String::new(),
        slo: String::new(),
        ..plain
    };
    assert_eq!(read(&dir), (vec![(2, without)], vec![]));

    fs::write(&path, text.replace("verdict", "judgement")).unwrap();
    let error = dir.read_runs().unwrap_err().to_string();
    assert_eq!(error, "runs.csv:1: there is no column verdict");
    fs::write(&path, "").unwrap();
    let error = dir.read_runs().unwrap_err().to_string();
    assert_eq!(error, "runs.csv:1: there is no column schema_version");
    fs::remove_file(&path).unwrap();
    let error = dir.read_runs().unwrap_err().to_string();
    assert_eq!(error, "runs.csv: there is no such file");
}

/// A file without quotes as it was before its last `count` columns were added.
fn without_last_columns(text: &str, count: usize) -> String {
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            fields[..fields.len() - count].join(",") + "\n"
        })
        .collect()
}

#[test]
fn seconds_written_before_queues_were_watched_are_read_too() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let row = interval_row(0);
    dir.append_intervals(std::slice::from_ref(&row)).unwrap();
    let path = dir.path().join("intervals.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, without_last_columns(&text, 5)).unwrap();
    let without = IntervalRow {
        unfinished: 0,
        retries: 0,
        service_p50_us: None,
        service_p99_us: None,
        queued: None,
        ..row
    };
    let read = dir.read_intervals().unwrap();
    assert_eq!((read.rows, read.problems), (vec![(2, without)], vec![]));
}

#[test]
fn files_of_a_later_version_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let mut plain = run_row("a-1", "send");
    plain.audit = "ok".to_owned();
    dir.append_run(&[plain.clone(), plain]).unwrap();
    set(&dir.path().join("runs.csv"), 3, "schema_version", "2");
    let error = dir.read_runs().unwrap_err();
    assert!(matches!(error, ResultsError::Newer { .. }));
    assert_eq!(
        error.to_string(),
        "runs.csv:3: this is format version 2, and this program knows versions up to 1: a later \
         telegraft wrote it"
    );

    fs::write(
        dir.path().join("environment.json"),
        r#"{"schema_version": 7}"#,
    )
    .unwrap();
    let error = dir.read_environment().unwrap_err();
    assert!(matches!(error, ResultsError::Newer { .. }), "{error}");
}

#[test]
fn histograms_come_back_as_they_were_written() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let mut send = latency_histogram();
    for us in 1..=5000 {
        send.saturating_record(us * us);
    }
    // Beyond the bounds of the histogram.
    send.saturating_record(u64::MAX);
    let mut read = latency_histogram();
    read.record(77).unwrap();
    let empty = latency_histogram();

    let mut writer = dir.create_interval_hlog("a-1", started_at()).unwrap();
    let second = Duration::from_secs(1);
    for (tag, at, histogram) in [
        ("send", 0, &send),
        ("read", 0, &read),
        ("send", 1, &read),
        ("send-service", 1, &empty),
    ] {
        let start = Duration::from_secs(at);
        writer.write(tag, start, second, histogram).unwrap();
    }
    writer.finish().unwrap();

    let path = dir.path().join("latency/a-1.hlog");
    let text = fs::read_to_string(&path).unwrap();
    let head: Vec<&str> = text.lines().take(4).collect();
    assert_eq!(
        head,
        [
            "#[Latencies in microseconds]",
            "#[Histogram log format version 1.3]",
            "#[StartTime: 1772368205.000 (seconds since epoch), 2026-03-01T12:30:05Z]",
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
        ]
    );
    assert!(
        text.lines()
            .nth(5)
            .unwrap()
            .starts_with("Tag=read,0.000,1.000,77.000,HISTFAAAA")
    );

    let log = dir.read_interval_hlog("a-1").unwrap();
    assert_eq!(log.problems, []);
    assert_eq!(log.start, Some(Duration::from_secs(1_772_368_205)));
    let lines: Vec<(&str, u64, &_)> = log
        .intervals
        .iter()
        .map(|i| (i.tag.as_str(), i.start.as_secs(), &i.histogram))
        .collect();
    assert_eq!(
        lines,
        [
            ("send", 0, &send),
            ("read", 0, &read),
            ("send", 1, &read),
            ("send-service", 1, &empty)
        ]
    );
    let merged = log.merged("send").unwrap();
    assert_eq!(merged.len(), 5002);
    assert_eq!(merged.max(), send.max());
    assert!(merged.max() >= 3_600_000_000, "an hour is told apart");
    assert!(log.merged("inbox").is_none());
}

#[test]
fn histograms_of_other_bounds_are_added_too() {
    let mut sum = latency_histogram();
    sum.record(77).unwrap();
    let mut wider = Histogram::<u64>::new(3).unwrap();
    wider.record(10 * MAX_LATENCY_US).unwrap();
    add(&mut sum, &wider);
    assert_eq!(sum.len(), 2);
    assert_eq!(sum.max(), wider.max());
}

#[test]
fn bad_lines_of_a_histogram_log_are_left_out_with_line_and_reason() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let mut histogram = latency_histogram();
    histogram.record(77).unwrap();
    let mut writer = dir.create_total_hlog("a-1", started_at()).unwrap();
    for tag in ["send", "read", "inbox"] {
        let length = Duration::from_secs(10);
        writer
            .write(tag, Duration::ZERO, length, &histogram)
            .unwrap();
    }
    writer.finish().unwrap();
    let path = dir.path().join("latency/a-1.total.hlog");
    let good = fs::read_to_string(&path).unwrap();
    let problems = |text: &str| {
        fs::write(&path, text).unwrap();
        let log = dir.read_total_hlog("a-1").unwrap();
        let tags: Vec<String> = log.intervals.into_iter().map(|i| i.tag).collect();
        let problems: Vec<String> = log.problems.iter().map(ToString::to_string).collect();
        (tags.join(" "), problems.join("\n"))
    };

    let (tags, told) = problems(&good[..good.len() - 1]);
    assert_eq!(tags, "send read");
    assert_eq!(
        told,
        "latency/a-1.total.hlog:7: the last line is half-written: its writer was interrupted"
    );
    let (tags, told) = problems(&good.replace("Tag=read,0.000,10.000", "Tag=read,0.000,long"));
    assert_eq!(tags, "send inbox");
    assert_eq!(
        told,
        "latency/a-1.total.hlog:6: it is no line of a histogram log: length \"long\" is no number of \
         seconds"
    );
    let (tags, told) = problems(&good.replacen("HISTF", "HIST*", 1));
    assert_eq!(tags, "read inbox");
    assert!(
        told.starts_with("latency/a-1.total.hlog:5: the histogram is no base64: "),
        "{told}"
    );
    let (tags, told) = problems(&good.replacen("HISTF", "AAAAA", 1));
    assert_eq!(tags, "read inbox");
    assert!(
        told.starts_with("latency/a-1.total.hlog:5: the histogram cannot be decoded: "),
        "{told}"
    );

    fs::write(&path, good.replace("version 1.3", "version 2.0")).unwrap();
    let error = dir.read_total_hlog("a-1").unwrap_err().to_string();
    assert_eq!(
        error,
        "latency/a-1.total.hlog:2: log format 2.0 is unknown: versions up to 1.3 are known"
    );
    let error = dir.read_total_hlog("none").unwrap_err().to_string();
    assert_eq!(error, "latency/none.total.hlog: there is no such file");
    assert!(dir.read_total_hlog("../a-1").is_err());
}

#[test]
fn a_percentile_is_known_only_where_few_enough_operations_are_missing() {
    let mut thousand = latency_histogram();
    for us in 1..=1000 {
        thousand.record(us).unwrap();
    }
    let at = |per_mille, missed| LatencyUs::at(&thousand, per_mille, missed);
    assert_eq!(at(500, 0), LatencyUs::Known(500));
    assert_eq!(at(990, 0), LatencyUs::Known(990));
    assert_eq!(at(999, 0), LatencyUs::Known(999));
    assert_eq!(at(1000, 0), LatencyUs::Known(1000));
    // One is missing: it is the slowest, and the maximum.
    assert_eq!(at(1000, 1), LatencyUs::BeyondTimeout);
    assert_eq!(at(999, 1), LatencyUs::Known(1000));
    assert_eq!(at(999, 2), LatencyUs::BeyondTimeout);
    // 10 of 1,010 are fewer than 1 %, 11 of 1,011 are more.
    assert_eq!(at(990, 10), LatencyUs::Known(1000));
    assert_eq!(at(990, 11), LatencyUs::BeyondTimeout);
    // The missing ones count as slower than the others.
    assert_eq!(at(500, 500), LatencyUs::Known(750));
    assert_eq!(at(500, 999), LatencyUs::Known(1000));
    // At exactly 1 − q it is no longer known.
    assert_eq!(at(500, 1000), LatencyUs::BeyondTimeout);

    let nothing = latency_histogram();
    assert_eq!(LatencyUs::at(&nothing, 500, 0), LatencyUs::None);
    assert_eq!(LatencyUs::at(&nothing, 500, 5), LatencyUs::BeyondTimeout);
}

#[test]
fn the_environment_is_probed_and_comes_back_as_it_was_written() {
    let root = tempfile::tempdir().unwrap();
    let dir = new_dir(root.path());
    let data = tempfile::tempdir().unwrap();
    let build = BuildInfo {
        version: "0.1.0".to_owned(),
        git_revision: None,
        rustc: "rustc 1.93.0".to_owned(),
        profile: "debug".to_owned(),
    };
    let found = Environment::probe(data.path(), &build).unwrap();
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "left behind");
    assert!(found.cpus >= 1);
    assert!(found.memory_bytes > 1 << 20);
    assert!(found.kernel.starts_with("Linux "), "{}", found.kernel);
    assert!(!found.cpu.is_empty() && !found.host.is_empty());
    let sync = found.fdatasync;
    assert!((1..=200).contains(&sync.samples));
    assert!(0.0 < sync.p50_us && sync.p50_us <= sync.p90_us);
    assert!(sync.p90_us <= sync.p99_us && sync.p99_us <= sync.max_us);

    dir.write_environment(&found).unwrap();
    assert_eq!(dir.read_environment().unwrap(), found);
    dir.write_suite("name = \"default\"\n").unwrap();
    assert_eq!(dir.read_suite().unwrap(), "name = \"default\"\n");

    let absent = data.path().join("absent");
    assert!(Environment::probe(&absent, &build).is_err());
}

/// The kernel's list of mounts tells the same as the probe.
#[test]
fn the_file_system_is_named() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().canonicalize().unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let (_, kind) = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(mounted_at, _)| path.starts_with(mounted_at))
        .max_by_key(|(mounted_at, _)| mounted_at.len())
        .unwrap();
    let build = BuildInfo {
        version: String::new(),
        git_revision: None,
        rustc: String::new(),
        profile: String::new(),
    };
    let found = Environment::probe(data.path(), &build).unwrap().file_system;
    if ["ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay"].contains(&kind) {
        assert_eq!(found, kind);
    } else {
        assert!(!found.is_empty());
    }
}
