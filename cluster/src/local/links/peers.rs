//! Replicas that the tests of the proxies play.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{FaultLinks, LinkCounts, LinkFault, Route};
use crate::node::wire::{self, Frame, Hello, Welcome};
use crate::raft::{Body, Entry, Message, NodeId, Payload};

/// How long a test waits for what takes a millisecond when the machine is idle.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing must come, where nothing may.
pub(super) const A_WHILE: Duration = Duration::from_millis(200);

pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Replicas 1 and 2, the second one's listener, and the proxy before it.
pub(super) struct Pair {
    pub(super) links: FaultLinks,
    pub(super) proxy: SocketAddr,
    pub(super) replica: TcpListener,
}

impl Pair {
    pub(super) async fn new() -> Pair {
        let any = (Ipv4Addr::LOCALHOST, 0);
        let replica = TcpListener::bind(any).await.expect("a port");
        let mut listening = Vec::new();
        for id in [1, 2] {
            let listener = std::net::TcpListener::bind(any).expect("a port");
            let route = Route {
                id,
                proxy: listener.local_addr().expect("it is bound"),
                replica: replica.local_addr().expect("it is bound"),
            };
            listening.push((listener, route));
        }
        let proxy = listening[1].1.proxy;
        Pair {
            links: FaultLinks::serve(1, listening).expect("they start"),
            proxy,
            replica,
        }
    }

    pub(super) fn set(&self, from: NodeId, to: NodeId, fault: LinkFault) {
        self.links.set(from, to, fault).expect("there is that link");
    }

    /// Replica 1 dials, and says hello.
    pub(super) async fn dial(&self) -> End {
        let mut stream = TcpStream::connect(self.proxy).await.expect("it listens");
        let mut bytes = Vec::new();
        hello().encode(&mut bytes);
        stream.write_all(&bytes).await.expect("it is read");
        End::new(stream)
    }

    /// Replica 2 hears a hello.
    pub(super) async fn accept(&self) -> End {
        let (stream, _) = soon("a connection", self.replica.accept())
            .await
            .expect("it listens");
        let mut end = End::new(stream);
        let heard = soon("a hello", end.read(Hello::decode)).await;
        assert_eq!(heard, Ok(hello()));
        end
    }

    /// A connection whose hands are shaken.
    pub(super) async fn connected(&self) -> (End, End) {
        let mut dialer = self.dial().await;
        let mut replica = self.accept().await;
        replica.welcome().await;
        let heard = soon("a welcome", dialer.read(Welcome::decode)).await;
        assert_eq!(heard, Ok(welcome()));
        (dialer, replica)
    }

    pub(super) async fn counted(&self, what: &str, holds: impl Fn(&LinkCounts) -> bool) {
        soon(what, async {
            while !holds(&self.links.counts()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

/// One end of a connection.
pub(super) struct End {
    pub(super) stream: TcpStream,
    pub(super) input: BytesMut,
}

impl End {
    pub(super) fn new(stream: TcpStream) -> End {
        End {
            stream,
            input: BytesMut::new(),
        }
    }

    /// The next thing that is said; why there is none.
    pub(super) async fn read<T>(
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

    pub(super) async fn hears(&mut self, number: u64) {
        let heard = soon("a frame", self.read(Frame::decode)).await;
        assert_eq!(heard, Ok(frame(number, 0)));
    }

    pub(super) async fn hears_nothing(&mut self) {
        let heard = timeout(A_WHILE, self.read(Frame::decode)).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    pub(super) async fn is_reset(&mut self) {
        let heard = soon("an end", self.read(Frame::decode)).await;
        assert_eq!(heard, Err("connection reset".to_owned()));
    }

    pub(super) async fn says(&mut self, number: u64) {
        self.try_say(number, 0).await.expect("it is read");
    }

    pub(super) async fn try_say(&mut self, number: u64, bytes: usize) -> io::Result<()> {
        let mut out = Vec::new();
        frame(number, bytes).encode(&mut out);
        self.stream.write_all(&out).await
    }

    pub(super) async fn welcome(&mut self) {
        let mut out = Vec::new();
        welcome().encode(&mut out);
        self.stream.write_all(&out).await.expect("it is read");
    }
}

pub(super) fn hello() -> Hello {
    Hello {
        cluster_id: "cluster".to_owned(),
        from: 1,
        to: 2,
        directory_id: "one".to_owned(),
        url: "http://one".to_owned(),
    }
}

pub(super) fn welcome() -> Welcome {
    Welcome::Accepted {
        directory_id: "two".to_owned(),
        url: "http://two".to_owned(),
    }
}

/// An entry of that many bytes.
pub(super) fn frame(number: u64, bytes: usize) -> Frame {
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
