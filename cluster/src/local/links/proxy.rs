//! The proxy before one replica.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::forward::{Ways, forward, read_handshake, shake_hands, unheard, wait_for_end};
use super::link::count;
use super::queue::Queue;
use super::{LinkMap, Route};
use crate::node::wire::Hello;
use crate::raft::NodeId;

/// Connections through one proxy at once: as many as a replica takes.
const MAX_CONNECTIONS: usize = 64;
/// How long a dialer may take to say who it is: as long as a replica gives it.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a replica may take to accept a connection: as long as its peers give it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause when no connection can be accepted: no file descriptor is free, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections in until it is dropped.
pub(super) async fn run(listener: TcpListener, route: Route, links: Arc<LinkMap>) {
    let mut connections = JoinSet::new();
    loop {
        let dialer = tokio::select! {
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((dialer, _)) => dialer,
                Err(_) => {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        if connections.len() < MAX_CONNECTIONS {
            let links = Arc::clone(&links);
            connections.spawn(async move {
                // Its two ends see how it ends, and say so.
                let _ = connect(dialer, route, &links).await;
            });
        }
    }
}

/// One connection, from its hello to its end.
async fn connect(mut dialer: TcpStream, route: Route, links: &LinkMap) -> io::Result<()> {
    dialer.set_nodelay(true)?;
    let mut input = BytesMut::new();
    let hello = timeout(HELLO_TIMEOUT, read_handshake(&mut dialer, &mut input)).await??;
    let from = speaker(&hello)?;
    let link = |from, to| {
        links.get(&(from, to)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a replica that is not there")
        })
    };
    let (there, back) = (link(from, route.id)?, link(route.id, from)?);
    let ways = Ways { there, back };

    let reached = tokio::select! {
        biased;
        () = there.until_reset() => None,
        () = back.until_reset() => None,
        reached = reach(ways, &mut dialer, route, &hello, &mut input) => Some(reached?),
    };
    let Some(mut replica) = reached else {
        count(&there.counters.broken, 1);
        return dialer.set_zero_linger();
    };
    let mut queue = Queue::default();
    tokio::select! {
        biased;
        () = there.until_reset() => {}
        ended = forward(ways, &mut dialer, &mut replica, &mut input, &mut queue) => return ended,
    }
    count(&there.counters.broken, 1);
    queue.drop_all(there);
    // With no time to linger, closing is a reset.
    dialer.set_zero_linger()?;
    replica.set_zero_linger()
}

/// Who says this hello.
fn speaker(hello: &BytesMut) -> io::Result<NodeId> {
    match Hello::decode(&mut hello.clone()) {
        Ok(Some(hello)) => Ok(hello.from),
        Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

/// Connects to the replica and shakes hands.
async fn reach(
    ways: Ways<'_>,
    dialer: &mut TcpStream,
    route: Route,
    hello: &[u8],
    input: &mut BytesMut,
) -> io::Result<TcpStream> {
    let connecting = async {
        ways.there.pass().await;
        timeout(CONNECT_TIMEOUT, TcpStream::connect(route.replica)).await?
    };
    let connected = {
        let (mut dialer, _) = dialer.split();
        let connected = tokio::select! {
            connected = connecting => connected,
            gone = wait_for_end(&mut dialer, input) => return Err(gone),
        };
        if connected.is_err() {
            unheard(ways.back, &mut dialer).await;
        }
        connected
    };
    let mut replica = connected?;
    replica.set_nodelay(true)?;
    shake_hands(ways, dialer, &mut replica, hello, input).await?;
    Ok(replica)
}
