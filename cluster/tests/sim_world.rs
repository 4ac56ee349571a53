//! The simulated world itself: what its network, its processes and its disk do to what runs
//! in them.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may stop at the first surprise, as tests do"
)]

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telegraft_cluster::env::{
    Cut, Disk, LinkFaults, Listener, SimDisk, SimListener, SimNetwork, SimNode, SimSpawner,
    Spawner, Stream, Transport,
};
use telegraft_cluster::time::Time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);
const LATENCY: (Duration, Duration) = (MS, MS);
/// Longer than any connection lives without acknowledgements.
const LONG: Duration = Duration::from_secs(20);

fn simulate<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(story)
}

/// A frame as replicas send it: length, checksum (which nobody here looks at), content.
fn frame(number: u32) -> Vec<u8> {
    let content = number.to_le_bytes();
    let mut frame = 4_u32.to_le_bytes().to_vec();
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&content);
    frame
}

/// The next frame's number; none at the end of the stream.
async fn receive(stream: &mut Box<dyn Stream>) -> std::io::Result<Option<u32>> {
    let mut frame = [0; 12];
    match stream.read_exact(&mut frame).await {
        Ok(_) => Ok(Some(u32::from_le_bytes(frame[8..].try_into().unwrap()))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// All frames up to the end of the stream.
async fn receive_all(stream: &mut Box<dyn Stream>) -> Vec<u32> {
    let mut frames = Vec::new();
    while let Some(number) = receive(stream).await.unwrap() {
        frames.push(number);
    }
    frames
}

/// A connection dialed by node 1, accepted by node 2.
async fn connect(network: &SimNetwork) -> (Box<dyn Stream>, Box<dyn Stream>, SimListener) {
    let listener = network.listen(2, "two:1");
    let dialed = network.transport(1).connect("two:1".to_owned()).await;
    let accepted = listener.accept().await.unwrap();
    (dialed.unwrap(), accepted, listener)
}

/// Sends `count` frames one by one, `pause` apart, and closes; what arrives.
async fn through(network: &SimNetwork, count: u32, pause: Duration) -> Vec<u32> {
    let (mut near, mut far, _listener) = connect(network).await;
    let sender = tokio::spawn(async move {
        for number in 0..count {
            near.write_all(&frame(number)).await.unwrap();
            sleep(pause).await;
        }
    });
    let frames = receive_all(&mut far).await;
    sender.await.unwrap();
    frames
}

fn faulty(faults: LinkFaults) -> SimNetwork {
    let network = SimNetwork::new(1, LATENCY);
    network.set_faults(1, 2, faults);
    network
}

#[test]
fn without_faults_frames_arrive_whole_in_order_after_the_latency() {
    simulate(async {
        let network = SimNetwork::new(1, (5 * MS, 9 * MS));
        assert_eq!(
            through(&network, 100, Duration::ZERO).await,
            (0..100).collect::<Vec<_>>()
        );
        let (mut near, mut far, _listener) = connect(&network).await;
        let sent = Instant::now();
        near.write_all(&frame(7)[..5]).await.unwrap();
        near.write_all(&frame(7)[5..]).await.unwrap();
        assert_eq!(receive(&mut far).await.unwrap(), Some(7));
        let took = sent.elapsed();
        assert!(took >= 5 * MS && took <= 10 * MS, "{took:?}");
        assert_eq!(network.counts().frames, 101);
    });
}

#[test]
fn what_is_no_frame_passes_as_it_comes() {
    simulate(async {
        let network = faulty(LinkFaults {
            loss: 1.0,
            ..LinkFaults::default()
        });
        let (mut near, mut far, _listener) = connect(&network).await;
        let mut sent = vec![0xff; 3000];
        sent[2999] = 1;
        near.write_all(&sent).await.unwrap();
        // Half a frame, before the end.
        let (mut half, mut cut, _listener) = connect(&network).await;
        half.write_all(&frame(1)[..7]).await.unwrap();
        drop((near, half));
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, sent);
        received.clear();
        cut.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, frame(1)[..7]);
    });
}

#[test]
fn a_loss_of_one_loses_all_but_the_handshake() {
    simulate(async {
        let network = faulty(LinkFaults {
            loss: 1.0,
            ..LinkFaults::default()
        });
        assert_eq!(through(&network, 50, MS).await, [0]);
        assert_eq!(network.counts().lost, 49);
        // It is of one direction, and ends.
        let (mut near, mut far, _listener) = connect(&network).await;
        for number in 0..3 {
            far.write_all(&frame(number)).await.unwrap();
        }
        drop(far);
        assert_eq!(receive_all(&mut near).await, [0, 1, 2]);
        network.clear_faults();
        assert_eq!(through(&network, 3, MS).await, [0, 1, 2]);
    });
}

#[test]
fn some_loss_loses_some() {
    simulate(async {
        let network = faulty(LinkFaults {
            loss: 0.1,
            ..LinkFaults::default()
        });
        let frames = through(&network, 1000, Duration::ZERO).await;
        assert!(frames.is_sorted_by(|a, b| a < b), "in order, none twice");
        let lost = 1000 - frames.len();
        assert!((50..200).contains(&lost), "{lost}");
        assert_eq!(network.counts().lost, lost as u64);
    });
}

#[test]
fn doubled_frames_come_twice_at_once_or_later() {
    simulate(async {
        let network = faulty(LinkFaults {
            duplicate: 1.0,
            ..LinkFaults::default()
        });
        let frames = through(&network, 200, MS).await;
        let places = |number| {
            let of = |(place, other)| (other == number).then_some(place);
            let places = frames.iter().copied().enumerate().filter_map(of);
            places.collect::<Vec<usize>>()
        };
        assert_eq!(places(0).len(), 1, "the handshake is never doubled");
        let mut later = 0;
        for number in 1..200 {
            let places = places(number);
            assert_eq!(places.len(), 2, "{number}");
            later += usize::from(places[1] > places[0] + 1);
        }
        assert!((20..180).contains(&later), "{later} after others");
        assert_eq!(network.counts().duplicated, 199);
    });
}

#[test]
fn reordered_frames_are_overtaken_by_a_few_for_a_bounded_time() {
    simulate(async {
        let network = faulty(LinkFaults {
            reorder: 0.3,
            ..LinkFaults::default()
        });
        let frames = through(&network, 500, Duration::ZERO).await;
        assert_eq!(frames[0], 0);
        let mut sorted = frames.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..500).collect::<Vec<_>>(), "all come, once");
        let overtaken = frames.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((50..250).contains(&overtaken), "{overtaken}");
        for (place, number) in frames.iter().enumerate() {
            assert!(place.abs_diff(*number as usize) <= 20, "{number}");
        }
        // Nothing overtakes the last one, yet it comes.
        network.set_faults(
            1,
            2,
            LinkFaults {
                reorder: 1.0,
                ..LinkFaults::default()
            },
        );
        let (mut near, mut far, _listener) = connect(&network).await;
        near.write_all(&frame(0)).await.unwrap();
        near.write_all(&frame(1)).await.unwrap();
        receive(&mut far).await.unwrap();
        let last = timeout(60 * MS, receive(&mut far)).await;
        assert_eq!(last.unwrap().unwrap(), Some(1));
        assert!(network.counts().reordered > 100);
    });
}

#[test]
fn delay_comes_on_top_of_the_latency_for_the_handshake_too() {
    simulate(async {
        let network = faulty(LinkFaults {
            delay: (100 * MS, 200 * MS),
            ..LinkFaults::default()
        });
        let (mut near, mut far, _listener) = connect(&network).await;
        for number in 0..2 {
            let sent = Instant::now();
            near.write_all(&frame(number)).await.unwrap();
            assert_eq!(receive(&mut far).await.unwrap(), Some(number));
            let took = sent.elapsed();
            assert!(took >= 101 * MS && took <= 202 * MS, "{took:?}");
        }
    });
}

#[test]
fn a_full_connection_holds_its_writer_up() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, _listener) = connect(&network).await;
        let megabyte = frame(1).repeat((1 << 20) / 12);
        let mut writing = Box::pin(near.write_all(&megabyte));
        assert!(timeout(LONG, &mut writing).await.is_err(), "nobody reads");
        let reading = async {
            for _ in 0..(1 << 20) / 12 {
                assert_eq!(receive(&mut far).await.unwrap(), Some(1));
            }
        };
        let (written, ()) = tokio::join!(writing, reading);
        written.unwrap();
    });
}

#[test]
fn a_reset_breaks_and_refuses() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, _listener) = connect(&network).await;
        near.write_all(&frame(0)).await.unwrap();
        network.cut(1, 2);
        for stream in [&mut near, &mut far] {
            let error = receive(stream).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert!(stream.write_all(&frame(1)).await.is_err());
        }
        assert_eq!(network.counts().broken, 1);
        for (from, to) in [(1, 2), (2, 1)] {
            network.mend();
            network.cut(from, to);
            let refused = network.transport(1).connect("two:1".to_owned()).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::HostUnreachable);
        }
        network.mend_link(1, 2);
        network.mend_link(2, 1);
        assert_eq!(through(&network, 3, MS).await, [0, 1, 2]);
    });
}

#[test]
fn a_reset_of_one_direction_leaves_the_other() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, _listener) = connect(&network).await;
        network.cut(2, 1);
        near.write_all(&frame(0)).await.unwrap();
        assert_eq!(receive(&mut far).await.unwrap(), Some(0));
        let error = far.write_all(&frame(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(receive(&mut near).await.is_err());
    });
}

#[test]
fn broken_connections_can_be_opened_again_at_once() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, _listener) = connect(&network).await;
        network.break_connections(1, 3);
        assert_eq!(network.counts().broken, 0);
        // Whoever has dialed.
        network.break_connections(2, 1);
        assert_eq!(network.counts().broken, 1);
        assert!(receive(&mut near).await.is_err());
        assert!(receive(&mut far).await.is_err());
        assert_eq!(through(&network, 3, MS).await, [0, 1, 2]);
    });
}

#[test]
fn a_silent_cut_delays_until_it_is_mended() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, _listener) = connect(&network).await;
        // One is on its way, one is sent into the cut.
        near.write_all(&frame(0)).await.unwrap();
        network.cut_as(1, 2, Cut::Silent);
        near.write_all(&frame(1)).await.unwrap();
        let silence = timeout(Duration::from_secs(9), receive(&mut far)).await;
        assert!(silence.is_err(), "{silence:?}");
        network.mend_link(1, 2);
        let mended = Instant::now();
        for number in 0..2 {
            assert_eq!(receive(&mut far).await.unwrap(), Some(number));
        }
        let took = mended.elapsed();
        assert!(took <= 200 * MS, "{took:?}");
        near.write_all(&frame(2)).await.unwrap();
        assert_eq!(receive(&mut far).await.unwrap(), Some(2));
        let counts = network.counts();
        assert_eq!((counts.cut, counts.broken), (1, 0));
    });
}

#[test]
fn a_long_silence_breaks_the_connection_of_who_sends_and_the_other_never_hears() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, _listener) = connect(&network).await;
        network.cut_as(1, 2, Cut::Silent);
        network.cut_as(2, 1, Cut::Silent);
        // As long as nothing is sent, nothing breaks.
        assert!(timeout(LONG, receive(&mut near)).await.is_err());
        near.write_all(&frame(0)).await.unwrap();
        let sent = Instant::now();
        let error = receive(&mut near).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(sent.elapsed(), Duration::from_secs(10));
        network.mend();
        assert!(timeout(LONG, receive(&mut far)).await.is_err(), "half open");
        // Only who speaks to the dead is told.
        let error = far.write_all(&frame(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_silent_cut_of_one_direction_takes_the_acknowledgements_of_the_other() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, _listener) = connect(&network).await;
        network.cut_as(2, 1, Cut::Silent);
        near.write_all(&frame(0)).await.unwrap();
        assert_eq!(receive(&mut far).await.unwrap(), Some(0));
        let error = receive(&mut near).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        // Its reset comes through.
        assert!(receive(&mut far).await.is_err());
        // Mended in time, all is as before.
        network.mend();
        let (mut near, mut far, _listener) = connect(&network).await;
        network.cut_as(2, 1, Cut::Silent);
        near.write_all(&frame(1)).await.unwrap();
        assert_eq!(receive(&mut far).await.unwrap(), Some(1));
        network.mend();
        assert!(timeout(LONG, receive(&mut near)).await.is_err());
        near.write_all(&frame(2)).await.unwrap();
        assert_eq!(receive(&mut far).await.unwrap(), Some(2));
    });
}

#[test]
fn connecting_through_a_silent_cut_hangs_until_the_mend() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let listener = network.listen(2, "two:1");
        let transport = network.transport(1);
        network.cut_as(2, 1, Cut::Silent);
        let mut dialing = transport.connect("two:1".to_owned());
        assert!(timeout(LONG, &mut dialing).await.is_err());
        network.mend();
        timeout(2 * Duration::from_secs(1), dialing)
            .await
            .unwrap()
            .unwrap();
        listener.accept().await.unwrap();
    });
}

#[test]
fn an_end_that_was_dropped_is_noticed_after_what_it_said() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, listener) = connect(&network).await;
        near.write_all(&frame(0)).await.unwrap();
        drop(near);
        assert_eq!(receive_all(&mut far).await, [0]);
        let error = far.write_all(&frame(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        drop(listener);
        let refused = network.transport(1).connect("two:1".to_owned()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

/// A story with every fault of the network; its hash and its text.
fn faulty_story(seed: u64, text: bool) -> (u64, String) {
    simulate(async move {
        let network = SimNetwork::new(seed, (MS, 5 * MS));
        network.keep_text(text);
        network.set_faults(
            1,
            2,
            LinkFaults {
                loss: 0.1,
                duplicate: 0.1,
                reorder: 0.1,
                delay: (Duration::ZERO, 3 * MS),
            },
        );
        network.note("it begins");
        let frames = through(&network, 300, MS).await;
        network.note(&format!("{frames:?}"));
        (network.trace_hash(), network.trace())
    })
}

#[test]
fn a_seed_has_one_trace_and_its_hash_needs_no_text() {
    let (hash, text) = faulty_story(3, true);
    assert_eq!(faulty_story(3, true), (hash, text.clone()));
    assert_eq!(faulty_story(3, false), (hash, String::new()));
    assert_ne!(faulty_story(4, false).0, hash);
    assert_eq!(text.lines().count(), 302);
    for fate in ["passes", "is lost", "is doubled", "is held back"] {
        assert!(text.contains(fate), "{fate}");
    }
}

/// A task of the process that writes down when it runs, every 10 ms.
fn ticking(spawner: &SimSpawner) -> Arc<Mutex<Vec<Duration>>> {
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let ours = Arc::clone(&ticks);
    let start = Instant::now();
    drop(spawner.spawn(Box::pin(async move {
        loop {
            sleep(10 * MS).await;
            ours.lock().unwrap().push(start.elapsed());
        }
    })));
    ticks
}

#[test]
fn a_paused_process_stands_still_and_others_do_not() {
    simulate(async {
        let (one, two) = (SimNode::new(1, Time::ZERO), SimNode::new(2, Time::ZERO));
        let (ones, twos) = (ticking(&one.spawner()), ticking(&two.spawner()));
        sleep(105 * MS).await;
        one.pause();
        assert!(one.is_paused() && !two.is_paused());
        let waiting = tokio::spawn({
            let one = one.clone();
            async move { one.wait_until_running().await }
        });
        sleep(500 * MS).await;
        assert_eq!(ones.lock().unwrap().len(), 10);
        assert_eq!(twos.lock().unwrap().len(), 60);
        assert!(!waiting.is_finished());
        assert!(one.clock().now() >= Time::ZERO + 605 * MS, "time goes on");
        one.resume();
        waiting.await.unwrap();
        sleep(5 * MS).await;
        // What had been due is done at once.
        assert_eq!(ones.lock().unwrap()[10], 605 * MS);
        sleep(100 * MS).await;
        assert!(ones.lock().unwrap().len() >= 20);
    });
}

#[test]
fn what_is_sent_to_a_paused_process_waits_for_it() {
    simulate(async {
        let network = SimNetwork::new(1, LATENCY);
        let (mut near, mut far, _listener) = connect(&network).await;
        let node = SimNode::new(1, Time::ZERO);
        let (sender, mut receiver) = oneshot::channel();
        drop(node.spawner().spawn(Box::pin(async move {
            let first = receive(&mut far).await;
            let _ = sender.send(first.unwrap());
        })));
        node.pause();
        near.write_all(&frame(5)).await.unwrap();
        assert!(timeout(LONG, &mut receiver).await.is_err());
        node.resume();
        assert_eq!(timeout(MS, receiver).await.unwrap().unwrap(), Some(5));
    });
}

#[test]
fn a_stop_inside_a_poll_shows_the_time_after_it_and_holds_what_comes_of_it_back() {
    simulate(async {
        let node = SimNode::new(1, Time::ZERO);
        let clock = node.clock();
        let network = SimNetwork::new(1, LATENCY);
        network.attach(1, &node);
        let (mut near, mut far, _listener) = connect(&network).await;
        sleep(98 * MS).await;
        let begun = Instant::now();
        node.stop_inside(2, 400 * MS);
        let ticks = ticking(&node.spawner());
        let story = node.run_inside(async {
            let before = clock.now();
            let inside = clock.now();
            let wall = clock.wall_ms();
            let again = clock.now();
            near.write_all(&frame(9)).await.unwrap();
            // All of that is one poll.
            (before, inside, again, wall, Instant::now())
        });
        let heard = tokio::spawn(async move {
            receive(&mut far).await.unwrap();
            Instant::now()
        });
        let (before, inside, again, wall, polled) = story.await.unwrap();
        assert_eq!(polled, begun, "no time has passed in it");
        assert_eq!(inside.since(before), 400 * MS);
        assert_eq!(again, inside);
        assert!(wall >= 1_700_000_000_500);
        assert_eq!(begun.elapsed(), 400 * MS, "the output waits");
        assert!(ticks.lock().unwrap().is_empty(), "the others wait, too");
        assert_eq!(heard.await.unwrap() - begun, 401 * MS);
        assert!(!node.stop_is_ahead() && !node.is_paused());
        assert_eq!(clock.now(), again + MS, "and then it is as it was");
        sleep(20 * MS).await;
        assert!(!ticks.lock().unwrap().is_empty());
    });
}

#[test]
fn a_clock_drifts_and_the_wall_clock_steps() {
    simulate(async {
        let node = SimNode::new(1, Time::from_millis(5000));
        let clock = node.clock();
        let second = Duration::from_secs(1);
        sleep(second).await;
        assert_eq!(clock.now(), Time::from_millis(6000));
        node.set_drift(100_000);
        sleep(second).await;
        assert_eq!(clock.now(), Time::from_millis(7100));
        node.set_drift(-500_000);
        assert_eq!(clock.now(), Time::from_millis(7100), "no jump");
        sleep(second).await;
        assert_eq!(clock.now(), Time::from_millis(7600));
        let wall = clock.wall_ms();
        node.step_wall_clock(-10_000);
        assert_eq!(clock.wall_ms(), wall - 10_000);
        assert_eq!(clock.now(), Time::from_millis(7600));
    });
}

#[test]
fn a_crash_ends_all_of_a_process_and_it_can_begin_anew() {
    simulate(async {
        let node = SimNode::new(1, Time::ZERO);
        let network = SimNetwork::new(1, LATENCY);
        let (near, mut far, _listener) = connect(&network).await;
        let ticks = ticking(&node.spawner());
        drop(node.spawner().spawn(Box::pin(async move {
            let _near = near;
            std::future::pending().await
        })));
        sleep(25 * MS).await;
        let request = tokio::spawn({
            let node = node.clone();
            async move { node.run_inside(sleep(LONG)).await }
        });
        tokio::task::yield_now().await;
        node.pause();
        node.crash();
        assert_eq!(request.await.unwrap(), None);
        assert_eq!(receive(&mut far).await.unwrap(), None, "it has hung up");
        sleep(LONG).await;
        assert_eq!(ticks.lock().unwrap().len(), 2);
        let ticks = ticking(&node.spawner());
        sleep(25 * MS).await;
        assert_eq!(ticks.lock().unwrap().len(), 2);
        assert_eq!(node.run_inside(async { 7 }).await, Some(7));
    });
}

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
