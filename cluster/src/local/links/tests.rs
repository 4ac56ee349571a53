//! Proxies between replicas that these tests play.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::node::wire::{self, Frame, Hello, Welcome};
use crate::raft::{Body, Entry, Message, Payload};

/// How long a test waits for what takes a millisecond when the machine is idle.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing must come, where nothing may.
const A_WHILE: Duration = Duration::from_millis(200);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Replicas 1 and 2, the second one's listener, and the proxy before it.
struct Pair {
    links: FaultLinks,
    proxy: SocketAddr,
    replica: TcpListener,
}

impl Pair {
    async fn new() -> Pair {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let replica = listen().await.expect("a port");
        let mut listening = Vec::new();
        for id in [1, 2] {
            let listener = listen().await.expect("a port");
            let route = Route {
                id,
                proxy: listener.local_addr().expect("it is bound"),
                replica: replica.local_addr().expect("it is bound"),
            };
            listening.push((listener, route));
        }
        let proxy = listening[1].1.proxy;
        Pair {
            links: FaultLinks::serve(1, listening),
            proxy,
            replica,
        }
    }

    fn set(&self, from: NodeId, to: NodeId, fault: LinkFault) {
        self.links.set(from, to, fault).expect("there is that link");
    }

    /// Replica 1 dials, and says hello.
    async fn dial(&self) -> End {
        let mut stream = TcpStream::connect(self.proxy).await.expect("it listens");
        let mut bytes = Vec::new();
        hello().encode(&mut bytes);
        stream.write_all(&bytes).await.expect("it is read");
        End::new(stream)
    }

    /// Replica 2 hears a hello.
    async fn accept(&self) -> End {
        let (stream, _) = soon("a connection", self.replica.accept())
            .await
            .expect("it listens");
        let mut end = End::new(stream);
        let heard = soon("a hello", end.read(Hello::decode)).await;
        assert_eq!(heard, Ok(hello()));
        end
    }

    /// A connection whose hands are shaken.
    async fn connected(&self) -> (End, End) {
        let mut dialer = self.dial().await;
        let mut replica = self.accept().await;
        replica.welcome().await;
        let heard = soon("a welcome", dialer.read(Welcome::decode)).await;
        assert_eq!(heard, Ok(welcome()));
        (dialer, replica)
    }

    async fn counted(&self, what: &str, holds: impl Fn(&LinkCounts) -> bool) {
        soon(what, async {
            while !holds(&self.links.counts()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

/// One end of a connection.
struct End {
    stream: TcpStream,
    input: BytesMut,
}

impl End {
    fn new(stream: TcpStream) -> End {
        End {
            stream,
            input: BytesMut::new(),
        }
    }

    /// The next thing that is said; why there is none.
    async fn read<T>(
        &mut self,
        decode: impl Fn(&mut BytesMut) -> Result<Option<T>, wire::WireError>,
    ) -> Result<T, String> {
        loop {
            if let Some(said) = decode(&mut self.input).map_err(|error| error.to_string())? {
                return Ok(said);
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return Err("closed".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.kind().to_string()),
            }
        }
    }

    async fn hears(&mut self, number: u64) {
        let heard = soon("a frame", self.read(Frame::decode)).await;
        assert_eq!(heard, Ok(frame(number, 0)));
    }

    async fn hears_nothing(&mut self) {
        let heard = timeout(A_WHILE, self.read(Frame::decode)).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    async fn is_reset(&mut self) {
        let heard = soon("an end", self.read(Frame::decode)).await;
        assert_eq!(heard, Err("connection reset".to_owned()));
    }

    async fn says(&mut self, number: u64) {
        self.try_say(number, 0).await.expect("it is read");
    }

    async fn try_say(&mut self, number: u64, bytes: usize) -> io::Result<()> {
        let mut out = Vec::new();
        frame(number, bytes).encode(&mut out);
        self.stream.write_all(&out).await
    }

    async fn welcome(&mut self) {
        let mut out = Vec::new();
        welcome().encode(&mut out);
        self.stream.write_all(&out).await.expect("it is read");
    }
}

fn hello() -> Hello {
    Hello {
        cluster_id: "cluster".to_owned(),
        from: 1,
        to: 2,
        directory_id: "one".to_owned(),
        url: "http://one".to_owned(),
    }
}

fn welcome() -> Welcome {
    Welcome::Accepted {
        directory_id: "two".to_owned(),
        url: "http://two".to_owned(),
    }
}

/// An entry of that many bytes.
fn frame(number: u64, bytes: usize) -> Frame {
    let entry = Entry {
        index: number + 1,
        term: 1,
        payload: Payload::Command(vec![b'x'; bytes].into()),
    };
    Frame::Raft(Message {
        term: 1,
        body: Body::AppendEntries {
            prev_index: number,
            prev_term: 1,
            entries: vec![entry],
            commit: 0,
            round: number,
        },
    })
}

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
    for end in [&mut dialer, &mut replica] {
        let heard = soon("an end", end.read(Frame::decode)).await;
        assert!(heard.is_err(), "{heard:?}");
    }
    soon("nobody listens", async {
        while TcpStream::connect(proxy).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
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
