//! `suite.toml` of a result directory is enough to run the same again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use telegraft_cluster::http::Consistency;
use telegraft_loadgen::suite::{self, Overrides, Suite, Targets};

use super::SUITES;

/// The suite that the resolved text is read as, from another directory.
fn again(suite: &Suite) -> (String, Suite) {
    let dir = tempfile::tempdir().unwrap();
    let text = suite::resolved_text(suite, "0badcafe");
    assert!(text.contains("nonce = \"0badcafe\""));
    let path = dir.path().join("suite.toml");
    fs::write(&path, &text).unwrap();
    let again = suite::load(path.to_str().unwrap(), &Overrides::default());
    (text.clone(), again.expect(&text))
}

#[test]
fn every_shipped_suite_is_written_as_it_is() {
    let changed = Overrides {
        clients: Some(5),
        duration: Some(Duration::from_millis(3500)),
        targets: Some(Targets::Any),
        consistency: Some(Consistency::Local),
        seed: Some(u64::MAX - 1000),
        rate: Some(0.25),
        ..Overrides::default()
    };
    for name in SUITES.into_iter().chain(super::WORKLOADS) {
        for overrides in [&Overrides::default(), &changed] {
            let suite = suite::load(name, overrides).unwrap();
            let (text, again) = again(&suite);
            assert_eq!(again, suite, "{text}");
        }
    }
}

/// Every form that a value has, once.
const EVERYTHING: &str = r#"
name = "everything"
description = "With \"quotes\", a \\ and\na line"
workloads = ["open", "closed", "drawn", "table", "steps", "polls", "day"]
trials = 2
seed = "18446744073709550615"
warmup = "1500ms"
duration = "90s"
durability = "none"
mailbox = "fifo"

[workload.open]
description = "ünïcode"
message_bytes = { log-normal = { median = 90, sigma = 0.75, max = "4KiB" } }
consistency = "lease"
targets = "round-robin"
max_errors = 0
arrival = { model = "open", connections = 7, spacing = "constant", rate = 0.125 }
population = { users = 9, rooms = 3, rooms_per_user = 2, room_sizes = { zipf = 1.25 }, popularity = { latest = 0.5 }, prefill = 1 }
operations.send.weight = 3
operations.read = { weight = 2, page = "latest", limit = 1000 }
operations.inbox = { weight = 1, limit = 1 }
operations.join = {}
operations.create-room = { weight = "1M" }
polling = { every = "2500us", users = 4, limit = 7 }
slo.all = { response_p50 = "1us", response_p90 = "2ms", response_p95 = "3ms", response_p99 = "4ms", response_p999 = "5ms", response_max = "1m", failed = 1, ok_per_s = 0.5 }
slo.create-room.failed = 0.5
faults = [
    { at = "0s", action = "kill", to = "leader", for = "1s" },
    { at = "3s", action = "pause", to = "follower" },
    { at = "2s", action = "restart", to = "leader" },
]

[workload.closed]
message_bytes = 60000
arrival = { model = "closed", clients = 10000, think = "1h" }
population = { users = 9, rooms = 3, rooms_per_user = 2, popularity = "latest", room_sizes = { hot = { rooms = 2, share = 0.3 } } }
operations.sequence = ["read", "send", "send", "inbox", "join", "create-room"]
operations.inbox.limit = 3
operations.send = {}

[workload.drawn]
message_bytes = { uniform = [32, "60KiB"] }
max_errors = 1
arrival = { model = "closed", clients = 1, think = { exponential = "1.5s" } }
population = { users = 1, rooms = 1, rooms_per_user = 1 }
operations.read = {}
faults = [{ at = "2s", action = "kill", to = "follower" }]

[workload.table]
message_bytes = { table = [[64, 60], [512, 0.5], ["4KiB", 1e5]] }
arrival = { model = "closed", clients = 1, think = { uniform = ["0s", "3s"] } }
population = { users = 1, rooms = 1, rooms_per_user = 1, popularity = { hot = { rooms = 1, share = 1 } } }
operations.create-room = {}

[workload.steps]
message_bytes = 64
population = { users = 1, rooms = 1, rooms_per_user = 1 }
operations.send = {}
[[workload.steps.arrival.stages]]
rate = 0
to = 333.3
for = "1ms"
[[workload.steps.arrival.stages]]
rate = 1e6
for = "2m"
[[workload.steps.arrival.stages]]
rate = 0.1
[workload.steps.arrival]
model = "open"

[workload.polls]
message_bytes = 64
arrival = { model = "open", rate = 0 }
population = { users = 1, rooms = 1, rooms_per_user = 1 }
polling.every = "1h"

[[also]]
name = "as-it-is"

[[also]]
name = "otherwise"
systems = ["null"]
replicas = [7, 1]
workloads = ["closed", "steps", "send-only"]
trials = 7
durability = "fsync"
mailbox = "lanes"
consistency = "lease"
targets = "round-robin"
clients = 10000
rate = 0.001

[workload.day]
arrival = { model = "trace", file = "some/day.csv", speed = 0.3, connections = 3 }
message_bytes = 99
slo.join.response_max = "1s"
"#;

#[test]
fn everything_that_a_file_can_say_is_written_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("everything.toml");
    fs::write(&path, EVERYTHING).unwrap();
    let suite = suite::load(path.to_str().unwrap(), &Overrides::default()).unwrap();
    assert_eq!(suite.workloads.len(), 7);
    let times: Vec<u64> = suite.workloads[0]
        .faults
        .iter()
        .map(|fault| fault.at.as_secs())
        .collect();
    assert_eq!(times, [0, 2, 3]);
    let (text, again) = again(&suite);
    assert_eq!(again, suite, "{text}");
    for part in [
        "every = \"2500us\"",
        "think = \"1h\"",
        "max = \"4KiB\"",
        "seed = \"18446744073709550615\"",
        "rate = 1000000",
        "for = \"2m\"",
        "warmup = \"1500ms\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let day = dir.path().join("some/day.csv");
    assert!(
        text.contains(&format!("file = {:?}", Path::new(&day))),
        "{text}"
    );
}
