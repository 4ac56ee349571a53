//! What happens to a process and its clocks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use telegraft_cluster::env::{SimNetwork, SimNode, SimSpawner, Spawner};
use telegraft_cluster::time::Time;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::{LATENCY, LONG, MS, connect, frame, receive, simulate};

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
