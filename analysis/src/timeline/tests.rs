//! Which runs are kept second by second, and what of them.

use telegraft_loadgen::results::{
    ClusterRow, EventRow, IntervalRow, ResultDir, SCHEMA_VERSION, StageRow,
};

use super::*;
use crate::data::Data;
use crate::shards::tests::run;

/// A trial of a configuration.
fn trial(configuration: usize, trial: u32, valid: bool, faults: bool) -> Run {
    let mut run = run("", &[1_000, 2_000], 0);
    let row = &mut run.rows[0];
    row.run_id = format!("c{configuration}-t{trial}");
    row.config_hash = configuration.to_string();
    row.trial = trial;
    row.failover_ms = faults.then_some(500.0);
    if !valid {
        "invalid:errors".clone_into(&mut row.verdict);
    }
    run
}

fn chosen(runs: &[Run]) -> Vec<String> {
    let all: Vec<&Run> = runs.iter().collect();
    let mut chosen: Vec<usize> = choose(&all).into_iter().collect();
    chosen.sort_unstable();
    let id = |at: usize| runs[at].any().run_id.clone();
    chosen.into_iter().map(id).collect()
}

#[test]
fn the_first_valid_trial_of_each_configuration_and_those_with_faults() {
    let runs = [
        trial(1, 1, false, false),
        trial(1, 2, true, false),
        trial(1, 3, true, false),
        trial(2, 1, false, false),
        trial(2, 2, false, false),
        trial(3, 1, true, true),
        trial(3, 2, false, true),
        trial(3, 3, true, false),
    ];
    assert_eq!(chosen(&runs), ["c1-t2", "c2-t1", "c3-t1", "c3-t2"]);
    assert_eq!(chosen(&[]), Vec::<String>::new());
}

#[test]
fn they_are_no_more_than_a_reader_looks_at() {
    let plain: Vec<Run> = (0..100).map(|c| trial(c, 1, true, false)).collect();
    assert_eq!(chosen(&plain).len(), MAX_TIMELINES);
    // Of many of both, half each.
    let faults = (0..100).map(|c| trial(0, 2 + c, true, true));
    let both: Vec<Run> = plain.into_iter().chain(faults).collect();
    let found = chosen(&both);
    assert_eq!(found.len(), MAX_TIMELINES);
    let first: Vec<String> = (0..12).map(|c| format!("c{c}-t1")).collect();
    assert_eq!(found[..12], first);
    // Of one configuration, the room is for its faults.
    assert_eq!(chosen(&both[100..]).len(), MAX_TIMELINES);
}

/// The shares of a run are kept together and count as one.
#[test]
fn all_shares_of_a_run_are_chosen() {
    let shares: Vec<Run> = (0..60)
        .map(|at| {
            let mut run = trial(at % 30, 1, true, false);
            run.rows[0].shard = format!("{}/2", 1 + at / 30);
            run
        })
        .collect();
    let found = chosen(&shares);
    assert_eq!(found.len(), 2 * MAX_TIMELINES);
    assert_eq!(found[..MAX_TIMELINES], found[MAX_TIMELINES..]);
}

fn second(second: u32, ok: u64) -> OpSecond {
    OpSecond {
        second,
        ok,
        missed: 1,
        p99_us: Some(900),
    }
}

/// It is that of the successful ones alone only as long as these are more than 99 in 100.
#[test]
fn the_p99_of_a_second_is_unknown_where_one_in_100_is_missing() {
    let of = |ok, missed, p99_us| {
        let second = OpSecond {
            second: 0,
            ok,
            missed,
            p99_us,
        };
        second.p99()
    };
    assert_eq!(of(100, 0, Some(900)), LatencyUs::Known(900));
    assert_eq!(of(100, 1, Some(900)), LatencyUs::Known(900));
    assert_eq!(of(99, 1, Some(900)), LatencyUs::BeyondTimeout);
    assert_eq!(of(0, 3, None), LatencyUs::BeyondTimeout);
    assert_eq!(of(0, 0, None), LatencyUs::None);
    // Of shares.
    assert_eq!(of(200, 0, None), LatencyUs::None);
    assert_eq!(of(u64::MAX, u64::MAX, Some(900)), LatencyUs::BeyondTimeout);
}

#[test]
fn counts_of_shares_are_added_and_percentiles_are_not_known() {
    let of = |seconds: Vec<OpSecond>| Timeline {
        operations: [("send".to_owned(), seconds)].into(),
        replicas: BTreeMap::new(),
    };
    let sum = Timeline::sum([
        &of(vec![second(0, u64::MAX), second(1, 5)]),
        &of(vec![second(0, 7), second(2, 8)]),
    ]);
    let both = OpSecond {
        missed: 2,
        p99_us: None,
        ..second(0, u64::MAX)
    };
    assert_eq!(sum.operations["send"], [both, second(1, 5), second(2, 8)]);
}

fn interval(second: u32, ok: u64) -> IntervalRow {
    IntervalRow {
        schema_version: SCHEMA_VERSION,
        run_id: "telegraft-3-send-t1".to_owned(),
        second,
        op: "send".to_owned(),
        ok,
        failed: 1,
        unknown: 2,
        response_p50_us: Some(400),
        response_p99_us: Some(900),
        response_max_us: Some(1_000),
        failures: String::new(),
        unfinished: 3,
        retries: 0,
        service_p50_us: None,
        service_p99_us: None,
        queued: None,
    }
}

fn replica(second: u32, replica: u64, role: &str) -> ClusterRow {
    ClusterRow {
        schema_version: SCHEMA_VERSION,
        run_id: "telegraft-3-send-t1".to_owned(),
        second,
        replica,
        role: role.to_owned(),
        term: Some(3),
        commit_index: Some(20),
        applied_index: Some(10 + replica),
        last_index: Some(20),
        lag_entries: Some(0),
        cpu_cores: Some(0.25),
        anon_bytes: None,
        log_bytes_per_s: Some(5.0),
        fdatasyncs_per_s: None,
        queue_p50_us: None,
        queue_p99_us: None,
        log_write_p50_us: None,
        log_write_p99_us: None,
        commit_p50_us: None,
        commit_p99_us: None,
        apply_p50_us: None,
        apply_p99_us: None,
    }
}

/// From the files: of the first trial, and of another one with an event.
#[test]
fn a_directory_is_read_into_seconds_and_sums() {
    let root = tempfile::tempdir().expect("there is room");
    let path = root.path().join("results");
    let dir = ResultDir::create_at(&path).expect("it is empty");
    let first = run("", &[1_000], 0).rows;
    let other = |run_id: &str| run_id.replace("t1", "t2");
    let mut second_trial = first.clone();
    second_trial[0].run_id = other(&first[0].run_id);
    dir.append_run(&first).expect("there is room");
    dir.append_run(&second_trial).expect("there is room");
    let intervals = [interval(1, 8), interval(0, 9)];
    dir.append_intervals(&intervals).expect("there is room");
    let cluster: Vec<ClusterRow> = (0..2)
        .flat_map(|at| [replica(at, 1, "follower"), replica(at, 2, "leader")])
        .collect();
    dir.append_cluster(&cluster).expect("there is room");
    let cluster = cluster.into_iter().map(|row| ClusterRow {
        run_id: other(&row.run_id),
        ..row
    });
    let cluster: Vec<ClusterRow> = cluster.collect();
    dir.append_cluster(&cluster).expect("there is room");

    let stage = StageRow {
        schema_version: SCHEMA_VERSION,
        run_id: first[0].run_id.clone(),
        replica: 1,
        stage: "queue".to_owned(),
        count: 0,
        mean_us: None,
        p50_us: None,
        p90_us: None,
        p99_us: None,
    };
    dir.append_stages(std::slice::from_ref(&stage))
        .expect("there is room");
    let event = EventRow {
        schema_version: SCHEMA_VERSION,
        run_id: second_trial[0].run_id.clone(),
        at_s: 1.5,
        event: "kill".to_owned(),
        replica: 2,
        detail: "leader".to_owned(),
    };
    dir.append_events(std::slice::from_ref(&event))
        .expect("there is room");

    let data = Data::read(&[path]).expect("it is there");
    let [one, two] = data.runs.as_slice() else {
        panic!("{:?}", data.runs);
    };
    let timeline = one.timeline.as_ref().expect("it is the first trial");
    let of = |at, ok| OpSecond {
        missed: 6,
        ..second(at, ok)
    };
    assert_eq!(timeline.operations["send"], [of(0, 9), of(1, 8)]);
    assert_eq!(timeline.replicas.keys().collect::<Vec<_>>(), [&1, &2]);
    let seen = timeline.replicas[&2][1];
    assert_eq!((seen.second, seen.role), (1, Role::Leader));
    assert_eq!((&one.stages, &two.stages), (&vec![stage], &vec![]));
    assert_eq!((&one.events, &two.events), (&vec![], &vec![event]));
    // It has no intervals, and was chosen for its event.
    let replicas = &two.timeline.as_ref().expect("it has an event").replicas;
    assert_eq!(replicas, &timeline.replicas);
    assert_eq!(one.cluster, two.cluster);
    let sums = one.cluster.as_ref().expect("it was watched");
    let follower = &sums.replicas[&1];
    assert_eq!(follower.seconds, 2);
    let rate = Some(crate::cluster::Rate {
        sum: 10.0,
        seconds: 2,
    });
    assert_eq!((follower.log_bytes, follower.fdatasyncs), (rate, None));
    assert_eq!(follower.stale_entries.map(|stale| stale.max), Some(9));
    assert_eq!(sums.replicas[&2].leader_seconds, 2);
}
