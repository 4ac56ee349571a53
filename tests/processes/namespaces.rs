//! Clusters in network namespaces, whose links the kernel cuts. That takes root; without it
//! these tests say so and check nothing.
//!
//! Seen to fail: with rules that are not installed (`filter::rules` without its `vanishes`), with rules
//! that do not count (without `counter name vanished`), with counters that are not read
//! (`Network::counts` all zeros), with a second interrupt that exits the process at once, and with
//! healing that ends at the first link that cannot be mended.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use telegraft_cluster::local::{
    LinkCounts, LinkCut, LinkFault, Links, LocalCluster, can_count_cuts, can_use_namespaces,
};
use telegraft_loadgen::stress::{FaultKind, Judgement, StressVerdict};
use tempfile::TempDir;

use crate::chat::{Chat, Load};
use crate::harness::{Cluster, options, slot, until};
use crate::launched::kill;
use crate::runs::{Running, place, run, telegraft};

/// Where a stress run of ours has its history.
const HISTORY: &str = "results/history/telegraft-3-stress-s1.jsonl";

fn can() -> bool {
    or_skipped(can_use_namespaces())
}

fn can_count() -> bool {
    or_skipped(can_count_cuts())
}

fn or_skipped(can: Result<(), String>) -> bool {
    if let Err(missing) = &can {
        println!("SKIPPED: {missing}");
    }
    can.is_ok()
}

fn ip(args: &[&str]) -> String {
    let output = Command::new("ip").args(args).output().expect("it runs");
    assert!(output.status.success(), "ip {args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// What there is of namespaces and interfaces.
fn networks() -> String {
    ip(&["netns", "list"]) + &ip(&["-oneline", "link", "show"])
}

/// The namespace that a replica is in.
fn namespace(cluster: &Cluster, id: u64) -> String {
    let pid = cluster.replica(id).pid.to_string();
    ip(&["netns", "identify", &pid]).trim().to_owned()
}

fn counts(cluster: &Cluster) -> LinkCounts {
    cluster.local.link_counts().expect("they are counted")
}

/// How many rules a replica's namespace has: of what vanishes, and of what is refused.
fn rules(cluster: &Cluster, id: u64) -> (usize, usize) {
    let namespace = namespace(cluster, id);
    let table = ["nft", "list", "table", "ip", "telegraft"];
    let table = ip(&[&["netns", "exec", &namespace], table.as_slice()].concat());
    let ends = |how| table.lines().filter(|line| line.ends_with(how)).count();
    (ends(" drop"), ends(" reject with tcp reset"))
}

/// A process id that no process has any more.
fn gone() -> u32 {
    let mut child = Command::new("true").spawn().expect("it runs");
    let pid = child.id();
    child.wait().expect("it ends");
    pid
}

#[tokio::test(flavor = "multi_thread")]
async fn links_between_namespaces_are_cut_and_mended_and_nothing_is_left_behind() {
    if !can() {
        return;
    }
    let slot = slot().await;
    // What a launcher that was killed has left goes at the next start.
    let gone = gone();
    let stale = [format!("telegraft-{gone}-0-hub"), format!("tg{gone}n0")];
    let [hub, host] = &stale;
    ip(&["netns", "add", hub]);
    ip(&[
        "link", "add", host, "type", "veth", "peer", "name", "host", "netns", hub,
    ]);
    let dir = TempDir::new().expect("a directory for the cluster");
    let mut options = options(dir.path(), 3);
    options.links = Links::Namespaces;
    let local = LocalCluster::start(options.clone()).await;
    let local = local.expect("the cluster starts");
    let mut cluster = Cluster { local, dir, slot };
    for stale in stale {
        assert!(!networks().contains(&stale), "{stale} is left");
    }
    let names: BTreeSet<String> = (1..=3).map(|id| namespace(&cluster, id)).collect();
    assert_eq!(names.len(), 3, "each has its own: {names:?}");
    let of_cluster = names
        .first()
        .expect("there are three")
        .rsplit_once('-')
        .expect("it has parts")
        .0
        .to_owned();
    assert!(networks().contains(&of_cluster));

    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 3).await;
    load.goes_on(30).await;
    let counted = can_count_cuts();
    assert_eq!(cluster.local.counts_cuts(), counted.is_ok());
    let mut cuts = vec![LinkCut::Silent];
    match &counted {
        Ok(()) => cuts.push(LinkCut::Reset),
        Err(missing) => println!("SKIPPED: resets, and counts of what met a cut: {missing}"),
    }
    let counted = counted.is_ok();
    assert_eq!(counts(&cluster), LinkCounts::default(), "nothing was cut");
    for cut in cuts {
        let leader = cluster.leader().await;
        let before = counts(&cluster);
        for other in (1..=3).filter(|id| *id != leader) {
            for (from, to) in [(leader, other), (other, leader)] {
                let set = cluster.local.set_link(from, to, LinkFault::cut(cut));
                set.expect("it is cut");
            }
        }
        cluster.leader_but(&[leader]).await;
        load.goes_on(30).await;
        let during = counts(&cluster);
        let all = (1..=3).map(|id| rules(&cluster, id));
        if counted {
            // The leader and each of the others; and only what was asked for.
            let (each, met) = match cut {
                LinkCut::Silent => (
                    [(2, 0), (1, 0)],
                    during.dropped_by_cuts > before.dropped_by_cuts
                        && during.broken == before.broken,
                ),
                LinkCut::Reset => (
                    [(0, 2), (0, 1)],
                    during.broken > before.broken
                        && during.dropped_by_cuts == before.dropped_by_cuts,
                ),
            };
            for (id, is) in (1..).zip(all) {
                assert_eq!(is, each[usize::from(id != leader)], "{cut:?} at {id}");
            }
            assert!(met, "{cut:?}: {before:?}, then {during:?}");
        }
        cluster.local.clear_links().expect("they are mended");
        let mended = counts(&cluster);
        assert!(
            mended.dropped_by_cuts >= during.dropped_by_cuts && mended.broken >= during.broken,
            "something is lost: {during:?}, then {mended:?}"
        );
        let url = cluster.replica(leader).url;
        until("it serves again", async || {
            chat.try_read(&url, "linearizable").await.ok()
        })
        .await;
        load.goes_on(30).await;
        assert_eq!(counts(&cluster), mended, "nothing is cut any more");
    }
    // One way only: a leader that nobody hears.
    let leader = cluster.leader().await;
    for other in (1..=3).filter(|id| *id != leader) {
        let set = LinkFault::cut(LinkCut::Silent);
        let set = cluster.local.set_link(leader, other, set);
        set.expect("it is cut");
    }
    cluster.leader_but(&[leader]).await;
    if counted {
        for id in 1..=3 {
            // What nobody hears vanishes where it would be heard.
            let expected = (usize::from(id != leader), 0);
            assert_eq!(rules(&cluster, id), expected, "replica {id}, {leader} led");
        }
    }
    cluster.local.clear_links().expect("they are mended");
    load.goes_on(30).await;
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;

    let slow = LinkFault {
        delay: Duration::from_millis(10),
        ..LinkFault::default()
    };
    assert!(cluster.local.set_link(1, 2, slow).is_err(), "only cuts");

    // `ip` has become the replica: signals reach it.
    let follower = cluster.follower().await;
    cluster
        .local
        .pause(follower)
        .await
        .expect("it stands still");
    cluster.local.resume(follower).await.expect("it goes on");
    cluster.local.kill(follower).await.expect("it is killed");
    cluster.local.restart(follower).await.expect("it starts");
    chat.holds_exactly(&sent).await;

    // Started again, it has the same addresses.
    let Cluster {
        local,
        dir: _dir,
        slot: _slot,
    } = cluster;
    let replicas = local.replicas();
    local.stop().await.expect("it stops cleanly");
    assert!(!networks().contains(&of_cluster), "{}", networks());
    let local = LocalCluster::start(options.clone()).await;
    let local = local.expect("it starts again");
    for (before, after) in replicas.iter().zip(local.replicas()) {
        assert_eq!((&before.url, &before.peer), (&after.url, &after.peer));
    }
    chat.holds_exactly(&sent).await;
    drop(local);
    let own = format!("telegraft-{}-", std::process::id());
    assert!(!ip(&["netns", "list"]).contains(&own), "{}", networks());

    options.links = Links::Direct;
    let error = LocalCluster::start(options).await;
    let error = error.expect_err("its addresses are in namespaces");
    assert!(error.to_string().contains("network namespaces"), "{error}");
}

/// What of a launcher's namespaces, interfaces and processes is there.
fn left_of(pid: u32, dir: &Path) -> Vec<String> {
    let networks = networks();
    let names = [format!("telegraft-{pid}-"), format!("tg{pid}n")];
    let networks = networks.lines().filter(|line| {
        let mut names = names.iter();
        names.any(|name| line.contains(name.as_str()))
    });
    let mut left: Vec<String> = networks.map(str::to_owned).collect();
    let dir = dir.display().to_string();
    let processes = fs::read_dir("/proc").expect("there is /proc");
    left.extend(processes.flatten().filter_map(|process| {
        let line = fs::read(process.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(&dir).then_some(line)
    }));
    left
}

/// A stress run in namespaces with few clients, its results in `results` of the directory.
fn stress(dir: &Path, more: &[&str]) -> Command {
    let out = place(dir, "results");
    let mut command = telegraft(&["stress", "--netns", "--out", &out]);
    command.args("--replicas 3 --seed 1 --clients 12 --rooms 3 --format json".split(' '));
    command.args(more);
    command
}

/// Waits for the first fault in a history.
async fn begun(history: &Path) {
    until("a fault is recorded", async || {
        let text = fs::read_to_string(history).unwrap_or_default();
        text.contains("nemesis").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stress_run_in_namespaces_has_its_partitions_counted() {
    if !can() || !can_count() {
        return;
    }
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let more = ["--duration", "8s", "--faults", "kill,partition"];
    let running = Running::start(&mut stress(dir.path(), &more));
    let pid = running.pid();
    let told = running.ended().await.with(0);
    let verdict: StressVerdict = serde_json::from_str(&told.stdout).expect("a verdict");
    assert_eq!(verdict.judgement, Judgement::Consistent, "{verdict:?}");
    assert!(verdict.cuts_counted, "{verdict:?}");
    let met = verdict.link_totals.dropped_by_cuts + verdict.link_totals.broken;
    let happened = verdict.faults[&FaultKind::Partition].happened;
    assert!(met > 0 && happened > 0, "{verdict:?}");
    assert_eq!(left_of(pid, dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn without_nft_links_are_cut_in_silence_and_that_is_not_verified() {
    if !can() {
        return;
    }
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    // A machine that has `ip` and nothing else.
    let tools = dir.path().join("tools");
    fs::create_dir(&tools).expect("it is made");
    let path = std::env::var_os("PATH").expect("there is one");
    let mut places = std::env::split_paths(&path).map(|place| place.join("ip"));
    let ip = places.find(|ip| ip.exists()).expect("it was used above");
    symlink(ip, tools.join("ip")).expect("it is made");
    let mut command = stress(dir.path(), &["--duration", "8s", "--faults", "partition"]);
    let running = Running::start(command.env("PATH", &tools));
    let pid = running.pid();
    let told = running.ended().await.with(1);
    let verdict: StressVerdict = serde_json::from_str(&told.stdout).expect("a verdict");
    assert_eq!(verdict.judgement, Judgement::Inconclusive, "{verdict:?}");
    assert!(!verdict.cuts_counted, "{verdict:?}");
    assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
    assert!(verdict.reasons[0].contains("not verified"), "{verdict:?}");
    assert!(
        verdict.skipped[0].contains("links are cut in silence only"),
        "{verdict:?}"
    );
    let partitions = &verdict.faults[&FaultKind::Partition];
    assert!(
        partitions.done > 0 && partitions.happened == 0,
        "{verdict:?}"
    );
    assert_eq!(left_of(pid, dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_run_whose_cuts_are_not_counted_any_more_fails_and_says_where() {
    if !can() || !can_count() {
        return;
    }
    let _slot = slot().await;
    let dir = TempDir::new().expect("a directory");
    let mut command = stress(dir.path(), &["--duration", "20s", "--faults", "partition"]);
    let running = Running::start(&mut command);
    let pid = running.pid();
    let history = dir.path().join(HISTORY);
    begun(&history).await;
    let ours = format!("telegraft-{pid}-");
    let namespaces = ip(&["netns", "list"]);
    let mut namespaces = namespaces.lines().filter_map(|line| line.split(' ').next());
    let first = namespaces
        .find(|name| name.starts_with(&ours) && name.ends_with("-1"))
        .expect("replica 1 has one");
    let delete = format!("netns exec {first} nft delete table ip telegraft");
    ip(&delete.split(' ').collect::<Vec<_>>());

    let told = running.ended().await.with(1);
    let verdict: StressVerdict = serde_json::from_str(&told.stdout).expect("a verdict");
    assert_eq!(verdict.judgement, Judgement::Failed, "{verdict:?}");
    let says = |words: &str| verdict.failures.iter().any(|text| text.contains(words));
    assert!(says(first), "{verdict:?}");
    // What can be mended is; with replica 1's table its cuts are gone, too.
    assert!(verdict.heal_ms.is_some(), "{verdict:?}");
    assert_eq!(left_of(pid, dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn interrupts_end_a_run_in_namespaces_and_nothing_is_left() {
    if !can() {
        return;
    }
    let _slot = slot().await;
    for impatient in [false, true] {
        let dir = TempDir::new().expect("a directory");
        let mut command = stress(
            dir.path(),
            &["--duration", "5m", "--faults", "kill,partition"],
        );
        let running = Running::start(&mut command);
        let pid = running.pid();
        let history = dir.path().join(HISTORY);
        begun(&history).await;
        running.signal(Signal::INT);
        let again = impatient.then(|| {
            tokio::spawn(async move {
                // Two that come at once are one. (One thread does this and looks at its end: it has
                // its number until this is over.)
                loop {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    kill(pid, Signal::INT);
                }
            })
        });
        let told = running.ended().await;
        if let Some(again) = again {
            again.abort();
        }
        assert_eq!(left_of(pid, dir.path()), Vec::<String>::new());
        let told = told.with(105);
        match impatient {
            false => assert!(told.stdout.contains("\"interrupted\""), "{}", told.stdout),
            true => {
                assert!(told.stderr.contains("was checked"), "{}", told.stderr);
                // What it names is there, and can be judged.
                let history = history.display().to_string();
                assert!(told.stderr.contains(&history), "{}", told.stderr);
                run(&["check", &history, "--quiet"]).await.with(0);
            }
        }
    }
}
