//! What happens to connections.

use std::io::ErrorKind;
use std::time::Duration;

use telegraft_cluster::env::{Cut, Listener, SimNetwork, Transport};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::{LATENCY, LONG, MS, connect, frame, receive, receive_all, simulate, through};

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
        assert_eq!(network.counts().broken, 1);
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
