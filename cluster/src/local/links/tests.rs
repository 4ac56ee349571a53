//! Proxies between replicas that these tests play.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::peers::{A_WHILE, End, Pair, frame, hello, soon, welcome};
use super::{LinkCounts, LinkCut, LinkFault, queue};
use crate::node::wire::{Frame, Hello, Welcome};

#[tokio::test]
async fn what_is_said_arrives_whole_and_in_order_and_so_does_the_end() {
    let pair = Pair::new().await;
    let (mut dialer, mut replica) = pair.connected().await;
    for number in 0..100 {
        dialer.says(number).await;
    }
    drop(dialer);
    for number in 0..100 {
        replica.hears(number).await;
    }
    let end = soon("the end", replica.read(Frame::decode)).await;
    assert_eq!(end, Err("closed".to_owned()));
    let expected = LinkCounts {
        frames: 100,
        ..LinkCounts::default()
    };
    assert_eq!(pair.links.counts(), expected);
}

#[tokio::test]
async fn a_replica_that_goes_is_seen_to_go() {
    let pair = Pair::new().await;
    let (mut dialer, replica) = pair.connected().await;
    drop(replica);
    let end = soon("the end", dialer.read(Frame::decode)).await;
    assert_eq!(end, Err("closed".to_owned()));
    // One that nobody listens for, too.
    let Pair {
        links: _links,
        proxy,
        replica,
    } = pair;
    drop(replica);
    let mut stream = TcpStream::connect(proxy).await.expect("the proxy listens");
    let mut bytes = Vec::new();
    hello().encode(&mut bytes);
    stream.write_all(&bytes).await.expect("it is read");
    let end = soon("the end", End::new(stream).read(Welcome::decode)).await;
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test]
async fn a_reset_breaks_the_connection_and_new_ones_until_it_is_mended() {
    let pair = Pair::new().await;
    let (mut dialer, mut replica) = pair.connected().await;
    pair.set(1, 2, LinkFault::cut(LinkCut::Reset));
    dialer.is_reset().await;
    replica.is_reset().await;
    pair.dial().await.is_reset().await;
    assert_eq!(pair.links.counts().broken, 2);
    pair.links.clear();
    let (mut dialer, mut replica) = pair.connected().await;
    dialer.says(7).await;
    replica.hears(7).await;
}

#[tokio::test]
async fn a_reset_of_the_way_back_breaks_only_those_that_wait_for_a_welcome() {
    let pair = Pair::new().await;
    let (mut dialer, mut replica) = pair.connected().await;
    let mut waits = pair.dial().await;
    let _asked = pair.accept().await;
    pair.set(2, 1, LinkFault::cut(LinkCut::Reset));
    waits.is_reset().await;
    pair.dial().await.is_reset().await;
    dialer.says(7).await;
    replica.hears(7).await;
}

#[tokio::test]
async fn in_a_silent_cut_frames_vanish_and_nobody_is_told() {
    let pair = Pair::new().await;
    let (mut dialer, mut replica) = pair.connected().await;
    pair.set(1, 2, LinkFault::cut(LinkCut::Silent));
    for number in 0..10 {
        dialer.says(number).await;
    }
    pair.counted("ten frames are gone", |counts| counts.dropped_by_cuts == 10)
        .await;
    replica.hears_nothing().await;
    pair.links.clear();
    dialer.says(10).await;
    replica.hears(10).await;
    // Nor that the one who spoke is gone.
    pair.set(1, 2, LinkFault::cut(LinkCut::Silent));
    drop(dialer);
    replica.hears_nothing().await;
    pair.links.clear();
    let end = soon("the end", replica.read(Frame::decode)).await;
    assert_eq!(end, Err("closed".to_owned()));
    assert_eq!(pair.links.counts().broken, 0);
}

#[tokio::test]
async fn in_a_silent_cut_a_handshake_waits() {
    let pair = Pair::new().await;
    for cut in [(1, 2), (2, 1)] {
        pair.set(cut.0, cut.1, LinkFault::cut(LinkCut::Silent));
        let mut dialer = pair.dial().await;
        let replica = if cut == (2, 1) {
            let mut replica = pair.accept().await;
            replica.welcome().await;
            Some(replica)
        } else {
            let accepted = timeout(A_WHILE, pair.replica.accept()).await;
            assert!(accepted.is_err(), "{accepted:?}");
            None
        };
        let heard = timeout(A_WHILE, dialer.read(Welcome::decode)).await;
        assert!(heard.is_err(), "{heard:?}");
        pair.links.clear();
        let mut replica = match replica {
            Some(replica) => replica,
            None => {
                let mut replica = pair.accept().await;
                replica.welcome().await;
                replica
            }
        };
        let heard = soon("a welcome", dialer.read(Welcome::decode)).await;
        assert_eq!(heard, Ok(welcome()));
        dialer.says(1).await;
        replica.hears(1).await;
    }
}

#[tokio::test]
async fn a_cut_of_the_way_back_hides_the_end_of_a_replica() {
    let pair = Pair::new().await;
    let (mut dialer, mut replica) = pair.connected().await;
    pair.set(2, 1, LinkFault::cut(LinkCut::Silent));
    dialer.says(1).await;
    replica.hears(1).await;
    drop(replica);
    dialer.hears_nothing().await;
    dialer.says(2).await;
    dialer.says(3).await;
    dialer.hears_nothing().await;
    pair.links.clear();
    let end = soon("the end", dialer.read(Frame::decode)).await;
    assert!(end.is_err(), "{end:?}");
}

#[tokio::test]
async fn what_waits_in_a_link_is_bounded_and_a_mended_one_delivers_it_at_once() {
    const FRAMES: u64 = 64;
    const BYTES: usize = 1 << 19;
    let pair = Pair::new().await;
    let (mut dialer, mut replica) = pair.connected().await;
    let hour = LinkFault {
        delay: Duration::from_secs(3600),
        ..LinkFault::default()
    };
    pair.set(1, 2, hour);
    let mut speaking = tokio::spawn(async move {
        for number in 0..FRAMES {
            dialer.try_say(number, BYTES).await.expect("it is read");
        }
    });
    let full = (queue::MAX_QUEUED_BYTES / BYTES) as u64;
    pair.counted("the link is full", |counts| counts.frames >= full)
        .await;
    let spoken = timeout(A_WHILE, &mut speaking).await;
    assert!(spoken.is_err(), "more is taken than the link holds");
    assert_eq!(pair.links.counts().frames, full);

    pair.links.clear();
    for number in 0..FRAMES {
        let heard = soon("a frame", replica.read(Frame::decode)).await;
        assert_eq!(heard, Ok(frame(number, BYTES)));
    }
    soon("all is said", speaking).await.expect("it was read");
}

#[tokio::test]
async fn whoever_is_no_replica_is_not_let_through() {
    let pair = Pair::new().await;
    let mut garbage = TcpStream::connect(pair.proxy).await.expect("it listens");
    garbage.write_all(&[0; 64]).await.expect("it is read");
    let end = soon("the end", End::new(garbage).read(Welcome::decode)).await;
    assert!(end.is_err(), "{end:?}");
    let mut stranger = TcpStream::connect(pair.proxy).await.expect("it listens");
    let mut bytes = Vec::new();
    let hello = Hello { from: 9, ..hello() };
    hello.encode(&mut bytes);
    stranger.write_all(&bytes).await.expect("it is read");
    let end = soon("the end", End::new(stranger).read(Welcome::decode)).await;
    assert!(end.is_err(), "{end:?}");
    let accepted = timeout(A_WHILE, pair.replica.accept()).await;
    assert!(accepted.is_err(), "{accepted:?}");
}

#[tokio::test]
async fn proxies_end_with_their_cluster() {
    let pair = Pair::new().await;
    let (mut dialer, mut replica) = pair.connected().await;
    let Pair { links, proxy, .. } = pair;
    drop(links);
    // At once, for a cluster that is started again on the same ports.
    let again = std::net::TcpListener::bind(proxy);
    assert!(again.is_ok(), "{again:?}");
    for end in [&mut dialer, &mut replica] {
        let heard = soon("an end", end.read(Frame::decode)).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    let none = LinkFault::default();
    assert!(none.check().is_ok());
    for fault in [
        LinkFault { loss: 1.5, ..none },
        LinkFault {
            reorder: f64::NAN,
            ..none
        },
        LinkFault {
            duplicate: -0.1,
            ..none
        },
        LinkFault {
            bytes_per_s: Some(0),
            ..none
        },
    ] {
        assert!(fault.check().is_err(), "{fault:?}");
    }
}
