//! What happens to frames one by one.

use std::time::Duration;

use telegraft_cluster::env::{LinkFaults, SimNetwork};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::{LATENCY, LONG, MS, connect, frame, receive, receive_all, simulate, through};

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
