//! Recordings: made, and replayed.

use std::fs;

use tempfile::TempDir;

use crate::harness::slot;
use crate::launched::Launched;
use crate::runs::{Results, due, file, place, run};

const SUITE: &str = r#"
replicas = [1]
workloads = ["day"]
warmup = "200ms"
duration = "800ms"

[workload.day]
message_bytes = { uniform = [40, 200] }

[workload.day.arrival]
model = "closed"
clients = 4
think = "5ms"

[workload.day.population]
users = 12
rooms = 4
rooms_per_user = 2

[workload.day.operations.send]
[workload.day.operations.read]
[workload.day.operations.inbox]
[workload.day.operations.join]
[workload.day.operations.create-room]
"#;

#[tokio::test]
async fn what_was_recorded_is_replayed_operation_by_operation() {
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let suite = file(dir.path(), "day-suite.toml", SUITE);
    let recording = place(dir.path(), "day.csv");
    let (first, again) = (place(dir.path(), "first"), place(dir.path(), "again"));
    let told = run(&["bench", &suite, "--record", &recording, "--out", &first])
        .await
        .with(0);
    let text = fs::read_to_string(&recording).expect("a recording");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let noted = format!("recorded {} operations in {recording}", lines.len());
    assert!(told.stderr.contains(&noted), "{}", told.stderr);
    // It has the warm-up, too.
    let recorded = Results::open(&first);
    assert!(due(recorded.only()) < lines.len() as u64);

    let mut arguments = vec!["bench", "--replay", &recording, "--systems", "telegraft"];
    arguments.extend(["--replicas", "1,3", "--trials", "1", "--out", &again]);
    run(&arguments).await.with(0);
    let replayed = Results::open(&again);
    assert_eq!(
        replayed.runs(),
        ["telegraft-1-day-t1", "telegraft-3-day-t1"]
    );
    for id in replayed.runs() {
        let all = replayed.row(id, "all");
        assert_eq!(due(all), lines.len() as u64, "{all:?}");
        assert_eq!((all.arrival.as_str(), all.audit.as_str()), ("trace", "ok"));
        for row in replayed
            .rows
            .iter()
            .filter(|r| r.run_id == id && r.op != "all")
        {
            let operation = |line: &&&str| line.split(',').nth(2) == Some(&*row.op);
            let count = lines.iter().filter(operation).count();
            assert_eq!(due(row), count as u64, "{row:?}");
        }
        replayed.check_sums(id);
    }

    // Several runs make no recording.
    let more = ["bench", &suite, "--trials", "2", "--record", &recording];
    let told = run(&more).await.with(2);
    assert!(told.stderr.contains("these are 2"), "{}", told.stderr);
    assert_eq!(
        fs::read_to_string(&recording).expect("it is as it was"),
        text
    );
}

/// Names that break what is careless; another column; lines out of order.
const NASTY: &str = "offset,user,operation,room,size,comment
0.000,\"O'Hara, \"\"the\"\" <b>\",send,\"a,b\",120,first
0.100,\"line
break\",send,\"room \"\"1\"\"\",10,
0.050,😀👩‍👩‍👧,read,\"a,b\",50,before the one above
0.200,😀👩‍👩‍👧,inbox,,,
0.250,  spaces  ,join,../../etc,,
0.300,\"line
break\",create-room,,,
0.350,%2F?x=1&y#z,send,=1+1,,
0.400,\"\u{202e}txet\",read-latest,=1+1,5,
1.000,O'Hara,send,\"room \"\"1\"\"\",2000,the last
";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_they_are_and_whatever_their_rooms_are_called_they_are_replayed() {
    let launched = Launched::start(&[]).await;
    let targets = launched.targets();
    let dir = TempDir::new().expect("a directory");
    let nasty = file(dir.path(), "nasty.csv", NASTY);
    let copy = place(dir.path(), "copy.csv");
    let out = |name: &str| place(dir.path(), name);
    let load = ["load", "--target", &targets, "--replay"];
    let with = |more: &[&str]| {
        let arguments: Vec<String> = load.iter().chain(more).map(|a| (*a).to_owned()).collect();
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            run(&arguments).await.with(0)
        }
    };
    with(&[&nasty, "--record", &copy, "--out", &out("first")]).await;
    let first = Results::open(dir.path().join("first"));
    let row = first.only();
    assert_eq!(
        (due(row), row.ok, row.audit.as_str()),
        (9, 9, "ok"),
        "{row:?}"
    );
    assert_eq!(row.workload, "nasty");
    assert!((row.duration_s - 1.001).abs() < 0.01, "{row:?}");
    assert_eq!(due(first.row(&row.run_id, "send")), 4);
    assert_eq!(due(first.row(&row.run_id, "create-room")), 1);

    // Twice as fast; and what was recorded of the replay has the same names, and is the same.
    with(&[&copy, "--speed", "2", "--out", &out("second")]).await;
    let second = Results::open(dir.path().join("second"));
    let row = second.only();
    assert_eq!(
        (due(row), row.ok, row.audit.as_str()),
        (9, 9, "ok"),
        "{row:?}"
    );
    assert!((row.duration_s - 0.501).abs() < 0.01, "{row:?}");
    let copied = fs::read_to_string(&copy).expect("a recording");
    for name in [
        "\"O'Hara, \"\"the\"\" <b>\"",
        "\"line\nbreak\"",
        "😀👩‍👩‍👧",
        "  spaces  ",
        "=1+1",
    ] {
        assert!(copied.contains(name), "{name:?} is not in {copied}");
    }

    let told = run(&["load", "--replay", &nasty, "--explain"])
        .await
        .with(0);
    let line = "The recording has 9 operations of 7 users in 4 rooms.";
    assert!(told.stdout.contains(line), "{}", told.stdout);
}

#[tokio::test]
async fn what_is_wrong_with_a_recording_is_told_with_its_line() {
    let dir = TempDir::new().expect("a directory");
    let head = "offset,user,operation,room,size\n";
    let cases = [
        (
            "operation",
            "0,ada,send,lobby,9\n1,ada,sned,lobby,9\n",
            3,
            "did you mean \"send\"",
        ),
        (
            "offset",
            "0,ada,send,lobby,9\n\n-1,ada,send,lobby,9\n",
            4,
            "is negative",
        ),
        (
            "size",
            "0,\"a\nb\",send,lobby,9\n1,ada,send,lobby,many\n",
            4,
            "is no size",
        ),
        ("room", "0,ada,send,,9\n", 2, "room"),
        (
            "half",
            "0,ada,send,lobby,9\n1,ada,send,lobby,9",
            3,
            "half-written",
        ),
    ];
    for (name, lines, line, why) in cases {
        let recording = file(
            dir.path(),
            &format!("{name}.csv"),
            &format!("{head}{lines}"),
        );
        let out = place(dir.path(), "out");
        for command in [
            vec!["bench", "--replay", &recording, "--out", &out],
            vec![
                "load",
                "--replay",
                &recording,
                "--target",
                "http://127.0.0.1:9",
                "--out",
                &out,
            ],
            vec!["load", "--replay", &recording, "--explain"],
        ] {
            let told = run(&command).await.with(2).stderr;
            let place = format!("{name}.csv:{line}: ");
            assert!(
                told.contains(&place) && told.contains(why),
                "{command:?}: {told}"
            );
        }
        assert!(!dir.path().join("out").exists());
    }
    let told = run(&["bench", "--replay", "/nonexistent/day.csv"])
        .await
        .with(2)
        .stderr;
    assert!(told.contains("/nonexistent/day.csv"), "{told}");
    let told = run(&["bench", "--replay", "day.csv", "--rate", "5"])
        .await
        .with(2)
        .stderr;
    assert!(told.contains("--speed"), "{told}");
    let told = run(&["bench", "--replay", "day.csv", "--workload", "chat"])
        .await
        .with(2)
        .stderr;
    assert!(told.contains("--replay replaces"), "{told}");
}
