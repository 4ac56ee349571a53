//! Tables like those of a report, and all that they are written as, letter for letter.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p telegraft-analysis` writes `tests/data/tables/` anew;
//! look at the difference, and at what `scripts/check-latex --pdf FILE analysis/tests/data`
//! makes of it.

use std::fs;
use std::path::Path;

use super::{Cell, Column, Table, files};
use crate::number::Number;
use crate::report::text::Text;

/// Throughput with intervals, a row without one, an invalid trial.
pub(crate) fn throughput() -> Table {
    let columns = [
        Column::text("workload", "workload"),
        Column::text("op", "op"),
        Column::text("system", "system"),
        Column::number("pooled_per_s", "pooled", "ops/s"),
        Column::number("typical_per_s", "typical trial", "ops/s"),
        Column::interval("typical_95_per_s", "95 % interval", "ops/s"),
        Column::number("of_null", "of null", ""),
        Column::interval("of_null_95", "95 % interval", ""),
        Column::text("trials", "trials"),
    ];
    let caption = Text::parse(
        "Successful operations per second: *pooled* over the valid trials, and those of the \
         *typical trial*, the geometric mean with its 95 % interval (Student's t on the \
         logarithm). `of null`: the share of what the `null` system reaches. 64 clients, \
         128 B, `fsync`.",
    );
    let mut table = Table::new("throughput", caption, &columns);
    let systems = [
        ("telegraft ×1", 20_312.4, 0.412, "5"),
        ("telegraft ×3", 19_234.7, 0.3899, "5"),
        ("⚠ telegraft ×5", 13_650.2, 0.277, "⚠ 4/5"),
        ("null", 49_312.9, 1.0, "5"),
    ];
    for (workload, op, factor) in [("write-heavy", "send", 1.0), ("read-only", "read", 2.41)] {
        for (system, rate, share, trials) in systems {
            let rate: f64 = rate * factor;
            let [typical, low, high] = Number::with_interval(rate, rate * 0.951, rate * 1.048);
            let [of_null, least, most] = Number::with_interval(share, share * 0.93, share * 1.06);
            let mut cells = vec![
                Cell::text(workload),
                Cell::text(op),
                Cell::text(system),
                Cell::number(Some(rate * 1.0021)),
                Cell::Number(typical),
                Cell::Interval(low, high),
                Cell::Number(of_null),
                Cell::Interval(least, most),
                Cell::text(trials),
            ];
            if system == "null" {
                cells[6..8].fill(Cell::Unknown);
            }
            table.row(cells);
        }
    }
    table.notes = vec![Text::plain(
        "⚠ Not counted: telegraft-5-write-heavy-t2 (invalid:not-steady).",
    )];
    table
}

/// Latencies over five decades, with some beyond the time-out.
pub(crate) fn latency() -> Table {
    let columns = [
        Column::text("workload", "workload"),
        Column::text("op", "op"),
        Column::text("system", "system"),
        Column::number("p50_ms", "p50", "ms"),
        Column::number("p90_ms", "p90", "ms"),
        Column::number("p99_ms", "p99", "ms"),
        Column::number("p999_ms", "p99.9", "ms"),
        Column::number("max_ms", "max", "ms"),
        Column::text("count", "count"),
    ];
    let caption = Text::parse(
        "Response times, from the moment an operation was due: percentiles of all valid trials \
         counted together. `>timeout` stands where too many operations failed for a percentile \
         to be known.",
    );
    let mut table = Table::new("latency", caption, &columns);
    let mut row = |names: [&str; 3], values: [Option<f64>; 5], count: &str| {
        let mut cells: Vec<Cell> = names.map(Cell::text).to_vec();
        cells.extend(values.map(|v| v.map_or(Cell::BeyondTimeout, |v| Cell::number(Some(v)))));
        cells.push(Cell::text(count));
        table.row(cells);
    };
    row(
        ["chat", "send", "telegraft ×3"],
        [
            Some(0.922),
            Some(1.329),
            Some(1.401),
            Some(18.447),
            Some(28.031),
        ],
        "121,864",
    );
    row(
        ["chat", "all", "⚠ telegraft ×3"],
        [Some(0.046), Some(1.9), Some(2.4), None, None],
        "⚠ 12,186",
    );
    row(
        ["kill-leader", "send", "telegraft ×3"],
        [Some(0.981), Some(12.3), Some(1_204.0), Some(12_345.6), None],
        "60,012",
    );
    table
}

/// One row for each of `count` runs: it goes on on a second page.
pub(crate) fn runs(count: u64) -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("verdict", "verdict"),
        Column::text("audit", "audit"),
        Column::number("ok_per_s", "ok", "ops/s"),
        Column::number("ok", "ok", ""),
        Column::number("failed", "failed", ""),
        Column::number("unknown", "unknown", ""),
        Column::number("unfinished", "unfinished", ""),
        Column::number("retries", "retries", ""),
    ];
    let caption = Text::parse("Audit and verdict of every run.");
    let mut table = Table::new("runs", caption, &columns);
    for at in 0..count {
        let odd = at % 17 == 5;
        let mark = if odd { "⚠ " } else { "" };
        let replicas = [1, 3, 5][usize::try_from(at % 3).unwrap_or(0)];
        table.row(vec![
            Cell::text(format!(
                "{mark}telegraft-{replicas}-write-heavy-t{}",
                at / 3 + 1
            )),
            Cell::text(if odd {
                "invalid:generator-saturated"
            } else {
                "valid"
            }),
            Cell::text("ok"),
            Cell::number(Some(
                30_466.0 / (1.0 + 0.01 * f64::from(u32::try_from(at).unwrap_or(0))),
            )),
            Cell::count(121_864 - 37 * at),
            Cell::count(if odd { 12 } else { 0 }),
            Cell::count(0),
            Cell::count(at % 2),
            Cell::count(at % 5),
        ]);
    }
    table.notes = vec![Text::plain(
        "A run marked ⚠ counts in none of the other tables.",
    )];
    table
}

/// Names and long texts.
pub(crate) fn conditions() -> Table {
    let columns = [
        Column::text("condition", "condition"),
        Column::text("value", "value"),
    ];
    let mut table = Table::new(
        "conditions",
        Text::parse("Conditions of all runs."),
        &columns,
    );
    for (name, value) in [
        ("durability", "fsync; null: -"),
        (
            "arrival",
            "closed; open at 5,000 ops/s: chat-at-rate, kill-leader; open at 12,500 ops/s: \
                     original-stress",
        ),
        (
            "processor",
            "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz, 2 of them, a virtual machine of KVM",
        ),
        (
            "kernel",
            "Linux 6.1.0-28-cloud-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)",
        ),
        (
            "file system",
            "ext4 on /dev/vda1, mount options rw,relatime,discard,errors=remount-ro",
        ),
        (
            "fdatasync of 4 KiB, alone",
            "p50 0.132 ms, p99 0.410 ms, p99.9 8.10 ms",
        ),
        (
            "telegraft",
            "0.1.0, revision a2ad0316c4fd8b1f4d2b9dba8c0e2a5f6e7d8c9b, release",
        ),
    ] {
        table.row(vec![Cell::text(name), Cell::text(value)]);
    }
    table
}

/// What a stranger's files can hold.
pub(crate) fn hostile() -> Table {
    let columns = [
        Column::text("run", "run"),
        Column::text("audit", "audit"),
        Column::number("failover_ms", "fail-over", "ms"),
        Column::interval("failover_95_ms", "95 % interval", "ms"),
    ];
    let caption = Text::parse("Signs: # $ % & ~ _ ^ \\ { } < > – × µ \" | and `--code_{#$%^&}`")
        .then(Text::plain(" \\input{/etc/passwd} $x^2$ ⚠ 中文"));
    let mut table = Table::new("hostile", caption, &columns);
    let wide = Number::sig3(1e300);
    for (run, audit) in [
        (
            "[2cm] \\end{tabular}",
            "*starred* % gone\n\u{1b}[31m && \\\\ {",
        ),
        (
            "../..//etc/passwd~^_$$",
            "Zoë Şahin, Łódź, naïve: “quoted” -- 'twas `so`",
        ),
        (
            "x-very-long-and_unbroken/identifierWithoutAnyPlaceToBreakItForQuiteAWhileAsItSeems",
            "seq 4 of room 7 is \"a\" on replica 1 and \"b\" on replica 3; 中文 → ≥ 3 µs",
        ),
    ] {
        table.row(vec![
            Cell::text(run),
            Cell::text(audit),
            Cell::Number(wide),
            Cell::Interval(Number::sig3(-1.5), Number::sig3(f64::INFINITY)),
        ]);
    }
    table.row(vec![
        Cell::text(""),
        Cell::Unknown,
        Cell::number(Some(-12.5)),
        Cell::Unknown,
    ]);
    table
}

/// More columns than a page has room for.
pub(crate) fn wide() -> Table {
    const COLUMNS: [Column; 14] = [
        Column::text("run", "run"),
        Column::text("stage", "stage"),
        Column::number("p50_ms", "response p50", "ms"),
        Column::number("p99_ms", "response p99", "ms"),
        Column::number("service_p50_ms", "service p50", "ms"),
        Column::number("service_p99_ms", "service p99", "ms"),
        Column::number("cpu_cores", "cluster CPU", "cores"),
        Column::number("generator_cores", "generator CPU", "cores"),
        Column::number("written_mib_per_s", "written", "MiB/s"),
        Column::number("message_bytes", "a message", "B"),
        Column::number("change_percent", "change", "%"),
        Column::interval("change_95_percent", "95 % interval", "%"),
        Column::number("sync_us", "fdatasync", "µs"),
        Column::number("per_sync", "messages per fdatasync", "messages"),
    ];
    let mut table = Table::new("wide", Text::parse("Stages of a send."), &COLUMNS);
    for (at, stage) in ["mailbox", "log write", "replication", "apply", "answer"]
        .iter()
        .enumerate()
    {
        let x = f64::from(u32::try_from(at).unwrap_or(0) + 1);
        let [change, low, high] = Number::with_interval(-3.1 * x, -4.2 * x, -1.9 * x);
        let mut cells = vec![Cell::text("telegraft-3-write-heavy-t1"), Cell::text(*stage)];
        for value in [0.41, 3.3, 0.39, 2.8, 1.38, 0.42, 12.7, 311.0] {
            cells.push(Cell::number(Some(value * x)));
        }
        cells.extend([Cell::Number(change), Cell::Interval(low, high)]);
        cells.extend([Cell::number(Some(132.0 * x)), Cell::number(Some(7.31 / x))]);
        table.row(cells);
    }
    table
}

/// Every table above.
pub(crate) fn all() -> Vec<Table> {
    vec![
        throughput(),
        latency(),
        runs(60),
        conditions(),
        hostile(),
        wide(),
    ]
}

#[test]
fn tables_are_written_as_committed() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tables");
    let mut wrong = Vec::new();
    for (name, text) in all().iter().flat_map(files) {
        let path = committed.join(name);
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
            fs::create_dir_all(&committed).expect("it can be made");
            fs::write(&path, &text).expect("it can be written");
        }
        if fs::read_to_string(&path).ok() != Some(text) {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "not as written now: {wrong:?}");
}

#[test]
fn no_character_of_a_table_is_beyond_ascii_in_latex() {
    for table in all() {
        assert!(table.latex().is_ascii(), "in {}", table.name);
    }
}
