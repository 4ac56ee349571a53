//! Ten thousand connections that do nothing.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use telegraft_cluster::local::anonymous_memory_bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::chat::{Chat, Load};
use crate::harness::Cluster;

const CONNECTIONS: usize = 10_000;
/// Descriptors for everything else that this process does.
const SPARE: u64 = 2_000;
/// What a connection may cost its server, in bytes. (Its kernel buffers are not counted.)
const MEMORY_OF_ONE: u64 = 32 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Lets this process have the descriptors that it needs; false when it may not.
fn raise_descriptors() -> bool {
    let limits = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS as u64 + SPARE;
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    enough(limits.current)
        || enough(limits.maximum)
            && setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(wanted),
                    maximum: limits.maximum,
                },
            )
            .is_ok()
}

/// Half of them say nothing, half of them begin a request and leave it at that. The replica takes
/// them all, and serves others.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_stop_nobody() {
    if !raise_descriptors() {
        println!("SKIPPED: {CONNECTIONS} connections need more descriptors than are allowed");
        return;
    }
    let cluster = Cluster::start(1).await;
    let chat = Chat::new(cluster.urls()).await;
    let replica = cluster.replica(1);
    let before = anonymous_memory_bytes(replica.pid).expect("it runs");
    let address = replica.url.trim_start_matches("http://").to_owned();
    let mut idle = Vec::new();
    for number in 0..CONNECTIONS {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&address));
        let mut stream = connecting.await.expect("in time").expect("it accepts");
        if number % 2 == 1 {
            let half = b"POST /v1/users HTTP/1.1\r\nhost: a\r\ncontent-le";
            stream.write_all(half).await.expect("it is there");
        }
        idle.push(stream);
    }

    let load = Load::start(&chat, 4).await;
    load.goes_on(200).await;
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;
    let after = anonymous_memory_bytes(replica.pid).expect("it runs");
    let each = after.saturating_sub(before) / CONNECTIONS as u64;
    println!("{each} bytes a connection");
    assert!(each < MEMORY_OF_ONE, "{each} bytes a connection");
    // Whoever said nothing at all has been left alone.
    let open = |stream: &TcpStream| {
        let read = stream.try_read(&mut [0; 1]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let silent = idle.iter().step_by(2).filter(|stream| open(stream)).count();
    assert_eq!(silent, CONNECTIONS / 2, "none was closed to make room");
}
