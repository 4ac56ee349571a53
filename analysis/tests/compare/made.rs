//! Makes the result directories that are compared, with the writers of the load generator.
//! Every number in them is made up.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telegraft_loadgen::results::{
    Environment, LatencyUs, ResultDir, RunRow, SCHEMA_VERSION, SyncTimes, latency_histogram, utc,
};

/// What five trials differ by, in shares of one.
const VARIES: [f64; 6] = [1.000, 1.006, 0.994, 1.003, 0.997, 1.001];

/// A configuration and its trials.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) workload: &'static str,
    pub(crate) system: &'static str,
    pub(crate) replicas: usize,
    pub(crate) mailbox: &'static str,
    pub(crate) arrival: &'static str,
    pub(crate) trials: u32,
    /// Of a typical trial.
    pub(crate) ok_per_s: f64,
    /// The same, in microseconds.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// How many times more than usual trials differ in p99.
    pub(crate) tail_varies: f64,
    /// The trial of which too many operations have no answer.
    pub(crate) timed_out: Option<u32>,
    /// The trial that does not count.
    pub(crate) invalid: Option<u32>,
}

/// Sends to a cluster of three, in a closed loop.
pub(crate) const SENDS: Made = Made {
    workload: "write-heavy",
    system: "telegraft",
    replicas: 3,
    mailbox: "lanes",
    arrival: "closed",
    trials: 5,
    ok_per_s: 5_000.0,
    p50_us: 9_000.0,
    p99_us: 20_000.0,
    tail_varies: 20.0,
    timed_out: None,
    invalid: None,
};

/// Where and when a directory was made.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) nonce: &'static str,
    pub(crate) cpu: &'static str,
    pub(crate) revision: &'static str,
    pub(crate) fdatasync_us: f64,
    /// Seconds after 2026-03-01T12:00:00Z at which the first trial begins, and between trials.
    pub(crate) from_s: u64,
    pub(crate) every_s: u64,
}

pub(crate) const BEFORE: Place = Place {
    nonce: "5f3a",
    cpu: "Example CPU @ 2.00GHz",
    revision: "0123456789ab",
    fdatasync_us: 130.0,
    from_s: 0,
    every_s: 60,
};

/// Another build, a day later.
pub(crate) const AFTER: Place = Place {
    nonce: "77c1",
    revision: "ba9876543210",
    from_s: 86_400,
    ..BEFORE
};

/// Writes a directory.
pub(crate) fn write(path: &Path, place: &Place, configurations: &[Made]) {
    let dir = ResultDir::create_at(path).unwrap();
    let suite = format!(
        "name = \"default\"\nnonce = \"{}\"\ntrials = 5\n",
        place.nonce
    );
    dir.write_suite(&suite).unwrap();
    dir.write_environment(&place.environment()).unwrap();
    dir.append_intervals(&[]).unwrap();
    for made in configurations {
        for trial in 1..=made.trials {
            made.write(&dir, trial, place);
        }
    }
}

impl Place {
    fn at(&self, trial: u32) -> SystemTime {
        // 2026-03-01T12:00:00Z.
        let seconds = 1_772_366_400 + self.from_s + self.every_s * u64::from(trial - 1);
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn environment(&self) -> Environment {
        Environment {
            schema_version: SCHEMA_VERSION,
            started_at: utc::rfc3339(self.at(1)),
            host: "bench-1".to_owned(),
            cpu: self.cpu.to_owned(),
            cpus: 2,
            memory_bytes: 8 << 30,
            kernel: "Linux 6.12.1".to_owned(),
            file_system: "ext4".to_owned(),
            fdatasync: SyncTimes {
                samples: 200,
                p50_us: self.fdatasync_us,
                p90_us: self.fdatasync_us * 2.0,
                p99_us: self.fdatasync_us * 3.0,
                max_us: self.fdatasync_us * 9.0,
            },
            version: "0.1.0".to_owned(),
            git_revision: Some(self.revision.to_owned()),
            rustc: "rustc 1.93.0".to_owned(),
            profile: "release".to_owned(),
        }
    }
}

impl Made {
    fn write(&self, dir: &ResultDir, trial: u32, place: &Place) {
        let row = self.row(trial, place);
        let mut histogram = latency_histogram();
        histogram.record_n(self.p50_us as u64, row.ok).unwrap();
        let mut writer = dir.create_total_hlog(&row.run_id, place.at(trial)).unwrap();
        let length = Duration::from_secs(10);
        writer
            .write("send", Duration::ZERO, length, &histogram)
            .unwrap();
        writer.finish().unwrap();
        dir.append_run(&[row]).unwrap();
    }

    fn row(&self, trial: u32, place: &Place) -> RunRow {
        let null = self.system == "null";
        let or_none = |value: &str| if null { "-" } else { value }.to_owned();
        // One varies otherwise than the other.
        let varies = VARIES[trial as usize % VARIES.len()];
        let tail = 1.0 + (VARIES[(trial as usize + 2) % VARIES.len()] - 1.0) * self.tail_varies;
        let ok_per_s = self.ok_per_s * varies;
        let ok = (ok_per_s * 10.0).round() as u64;
        let latency = |us: f64| LatencyUs::Known(us.round() as u64);
        let (p50, mut p99) = (latency(self.p50_us / varies), latency(self.p99_us * tail));
        if self.timed_out == Some(trial) {
            p99 = LatencyUs::BeyondTimeout;
        }
        let verdict = match self.invalid == Some(trial) {
            true => "invalid:generator-saturated",
            false => "valid",
        };
        RunRow {
            schema_version: SCHEMA_VERSION,
            run_id: format!(
                "{}-{}-{}-{}-t{trial}",
                self.system, self.replicas, self.mailbox, self.workload
            ),
            config_hash: format!(
                "{}-{}-{}-{}",
                self.system, self.replicas, self.mailbox, self.workload
            ),
            suite: "default".to_owned(),
            workload: self.workload.to_owned(),
            system: self.system.to_owned(),
            replicas: self.replicas,
            durability: or_none("fsync"),
            consistency: or_none("linearizable"),
            mailbox: or_none(self.mailbox),
            targets: "leader".to_owned(),
            arrival: self.arrival.to_owned(),
            clients: 64,
            connections: 64,
            message_bytes: 128,
            target_rate_per_s: (self.arrival == "open").then_some(self.ok_per_s),
            trial,
            seed: u64::from(trial),
            started_at: utc::rfc3339(place.at(trial)),
            warmup_s: 1.0,
            duration_s: 10.0,
            op: "send".to_owned(),
            attempts: ok,
            retries: 0,
            ok,
            failed: 0,
            unknown: 0,
            unfinished: 0,
            ok_per_s,
            response_mean_us: None,
            response_p50_us: p50,
            response_p90_us: p99,
            response_p95_us: p99,
            response_p99_us: p99,
            response_p999_us: p99,
            response_max_us: p99,
            service_p50_us: p50,
            service_p99_us: p99,
            service_p999_us: p99,
            generator_cpu_cores: 0.4,
            cluster_cpu_cores: 1.3,
            schedule_lag_p99_us: None,
            audit: "ok".to_owned(),
            verdict: verdict.to_owned(),
            failover_ms: None,
            shard: String::new(),
            queue_p99_us: None,
            generator_delay_p99_us: None,
            steady: String::new(),
            slo: String::new(),
        }
    }
}
