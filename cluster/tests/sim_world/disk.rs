//! What happens to what was written.

use std::io::ErrorKind;
use std::path::Path;

use telegraft_cluster::env::{Disk, SimDisk};

#[test]
fn a_killed_process_leaves_what_it_wrote_and_a_loss_of_power_may_not() {
    let path = Path::new("/data/file");
    let written = |end: &dyn Fn(&SimDisk)| {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/data")).unwrap();
        let file = disk.create(path).unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        file.write_at(0, b"synced").unwrap();
        file.sync_data().unwrap();
        file.write_at(0, b"newer!").unwrap();
        let lock = disk.lock(Path::new("/data/lock")).unwrap();
        assert!(disk.lock(Path::new("/data/lock")).is_err());
        end(&disk);
        assert!(file.write_at(0, b"undead").is_err());
        assert!(file.sync_data().is_err());
        let _lock = disk.lock(Path::new("/data/lock")).unwrap();
        drop(lock);
        assert!(disk.lock(Path::new("/data/lock")).is_err(), "it is ours");
        let mut bytes = [0; 6];
        disk.open(path).unwrap().read_at(0, &mut bytes).unwrap();
        (bytes, disk)
    };
    let (bytes, disk) = written(&|disk| disk.kill());
    assert_eq!(&bytes, b"newer!");
    assert_eq!(disk.counts().kills, 1);
    let crashes = (0..20).map(|seed| written(&|disk| disk.crash(seed)).0);
    assert!(crashes.clone().any(|bytes| &bytes == b"synced"));
    assert!(crashes.clone().any(|bytes| &bytes == b"newer!"));
    // Having been killed is no sync.
    let both = (0..20).map(|seed| {
        let story = |disk: &SimDisk| {
            disk.kill();
            disk.crash(seed);
        };
        written(&story).0
    });
    assert!(both.into_iter().any(|bytes| &bytes == b"synced"));
}

#[test]
fn a_full_disk_refuses_growth_until_it_is_given_room() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/data")).unwrap();
    let file = disk.create(Path::new("/data/file")).unwrap();
    disk.set_capacity(10);
    file.write_at(0, &[1; 10]).unwrap();
    let error = file.write_at(5, &[1; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    file.write_at(5, &[2; 5]).unwrap();
    disk.set_capacity(None);
    file.write_at(5, &[1; 10]).unwrap();
    file.sync_data().unwrap();
    disk.fail_next_sync();
    assert!(file.sync_data().is_err());
    let counts = disk.counts();
    assert_eq!((counts.writes, counts.written_bytes), (3, 25));
    assert_eq!(
        (counts.refused, counts.syncs, counts.failed_syncs),
        (1, 1, 1)
    );
}
