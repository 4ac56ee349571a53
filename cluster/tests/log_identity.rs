//! Whose a data directory is.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod log_support;

use std::path::Path;
use std::sync::Arc;

use log_support::{configuration, options};
use telegraft_cluster::env::{Disk, FsDisk, SimDisk};
use telegraft_cluster::log::{DirectoryLock, Identity, IdentityError, KnownPeers, Log};

const SEED: u64 = 42;

fn data() -> &'static Path {
    Path::new("/data")
}

fn load(disk: &dyn Disk, bootstrap: bool) -> Result<(Identity, DirectoryLock), IdentityError> {
    Identity::load_or_create(disk, data(), "blue", 1, bootstrap, SEED)
}

/// What a node does with a directory at its start.
fn start(disk: &Arc<SimDisk>, bootstrap: bool) -> Result<String, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (identity, _lock) = load(disk.as_ref(), bootstrap).map_err(|error| text(&error))?;
    let members = configuration(3);
    Log::open(
        Arc::clone(disk) as _,
        &data().join("log"),
        bootstrap.then_some(&members),
        options(4096),
    )
    .map_err(|error| text(&error))?;
    Ok(identity.directory_id)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, IdentityError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_directory_becomes_a_replicas_only_with_bootstrap_and_stays_its() {
    let disk = Arc::new(SimDisk::new());
    let missing = start(&disk, false).unwrap_err();
    assert!(
        missing.contains("/data") && missing.contains("--bootstrap"),
        "{missing}"
    );
    disk.create_dir_all(data()).unwrap();
    let empty = start(&disk, false).unwrap_err();
    assert!(
        empty.contains("is empty") && empty.contains("--bootstrap"),
        "{empty}"
    );

    let id = start(&disk, true).unwrap();
    assert_eq!(id.len(), 32);
    assert!(id.chars().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    disk.crash(1);
    assert_eq!(start(&disk, false).unwrap(), id);
    assert_eq!(
        start(&disk, true).unwrap(),
        id,
        "bootstrap again just goes on"
    );

    let other = SimDisk::new();
    let (other, _lock) =
        Identity::load_or_create(&other, data(), "blue", 1, true, SEED + 1).unwrap();
    assert_ne!(other.directory_id, id);
}

#[test]
fn a_directory_of_another_cluster_or_node_is_refused_with_both_names() {
    let disk = SimDisk::new();
    load(&disk, true).unwrap();
    let cluster = Identity::load_or_create(&disk, data(), "red", 1, true, SEED);
    let cluster = refusal(cluster);
    assert!(cluster.contains("of cluster blue, not of red"), "{cluster}");
    let node = Identity::load_or_create(&disk, data(), "blue", 2, true, SEED);
    let node = refusal(node);
    assert!(node.contains("of node 1, not of node 2"), "{node}");
    assert!(node.contains("/data"), "{node}");
}

#[test]
fn only_one_process_has_a_directory() {
    let disk = SimDisk::new();
    let (identity, lock) = load(&disk, true).unwrap();
    let second = refusal(load(&disk, true));
    assert!(
        second.contains("/data is in use by another process"),
        "{second}"
    );
    drop(lock);
    let (again, _lock) = load(&disk, true).unwrap();
    assert_eq!(again, identity);

    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("node1");
    let open = || Identity::load_or_create(&FsDisk, &dir, "blue", 1, true, SEED);
    let first = open().unwrap();
    let second = refusal(open());
    assert!(second.contains("in use by another process"), "{second}");
    assert!(second.contains(&dir.display().to_string()), "{second}");
    let held = std::fs::read_to_string(dir.join("identity.json")).unwrap();
    assert!(held.contains("\"cluster_id\": \"blue\""), "{held}");
    drop(first);
    open().unwrap();
}

#[test]
fn creation_can_be_interrupted_anywhere_and_done_again() {
    let disk = Arc::new(SimDisk::new());
    start(&disk, true).unwrap();
    let operations = disk.operations();
    let mut interrupted = 0;
    for operation in 0..=operations {
        for seed in 0..8 {
            println!("operation {operation}, crash {seed}");
            let disk = Arc::new(SimDisk::new());
            disk.cut_power_after(operation);
            let first = start(&disk, true);
            disk.crash(seed);
            let without = start(&disk, false);
            match (first, without) {
                (Ok(id), without) => assert_eq!(without.unwrap(), id),
                (Err(_), Err(reason)) => {
                    interrupted += 1;
                    assert!(reason.contains("--bootstrap"), "{reason}");
                }
                // The last sync had gone through.
                (Err(_), Ok(_)) => {}
            }
            let id = start(&disk, true).unwrap();
            assert_eq!(start(&disk, false).unwrap(), id);
        }
    }
    assert!(interrupted > 20, "{interrupted}");
}

#[test]
fn half_of_a_directory_is_refused() {
    let disk = Arc::new(SimDisk::new());
    start(&disk, true).unwrap();
    let no_identity = Arc::new(disk.fork());
    no_identity.remove(&data().join("identity.json")).unwrap();
    for bootstrap in [false, true] {
        let reason = start(&no_identity, bootstrap).unwrap_err();
        assert!(reason.contains("identity.json is gone"), "{reason}");
    }

    // Nobody has heard of it yet: it may start anew.
    let log = data().join("log/0000000001.log");
    let no_log = Arc::new(disk.fork());
    no_log.remove(&log).unwrap();
    let reason = start(&no_log, false).unwrap_err();
    assert!(reason.contains("has no log"), "{reason}");
    start(&no_log, true).unwrap();

    // It has spoken to others: its votes are lost with its log.
    let mut known = KnownPeers::load(Arc::clone(&disk) as _, data()).unwrap();
    known.check_or_record(2, "aa").unwrap();
    disk.remove(&log).unwrap();
    for bootstrap in [false, true] {
        let reason = start(&disk, bootstrap).unwrap_err();
        assert!(
            reason.contains("log") && reason.contains("is lost"),
            "{reason}"
        );
    }
}

#[test]
fn an_identity_that_cannot_be_understood_is_refused() {
    let disk = SimDisk::new();
    load(&disk, true).unwrap();
    disk.flip(&data().join("identity.json"), 0, 1);
    let reason = refusal(load(&disk, true));
    assert!(
        reason.contains("cannot understand /data/identity.json"),
        "{reason}"
    );
}

#[test]
fn a_peer_with_another_directory_is_refused_for_ever() {
    let disk = Arc::new(SimDisk::new());
    disk.create_dir_all(data()).unwrap();
    let known = || KnownPeers::load(Arc::clone(&disk) as _, data()).unwrap();
    let mut peers = known();
    peers.check_or_record(2, "aa").unwrap();
    peers.check_or_record(3, "bb").unwrap();
    peers.check_or_record(2, "aa").unwrap();
    disk.crash(5);
    for mut peers in [peers, known()] {
        let reason = refusal(peers.check_or_record(2, "cc"));
        assert!(
            reason.contains("node 2") && reason.contains("forgotten its votes"),
            "{reason}"
        );
        peers.check_or_record(3, "bb").unwrap();
    }
}

#[test]
fn a_peer_that_could_not_be_recorded_is_not_known() {
    let disk = Arc::new(SimDisk::new());
    disk.create_dir_all(data()).unwrap();
    let mut peers = KnownPeers::load(Arc::clone(&disk) as _, data()).unwrap();
    disk.fail_next_sync();
    let reason = refusal(peers.check_or_record(2, "aa"));
    assert!(reason.contains("cannot write /data/peers.json"), "{reason}");
    peers.check_or_record(2, "bb").unwrap();
    let mut peers = KnownPeers::load(disk, data()).unwrap();
    peers.check_or_record(2, "bb").unwrap();
}
