//! What else may connect to the peer port.

use std::fs;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::chat::{Chat, Load, metric};
use crate::harness::{Cluster, until};

const VERSION: u32 = 1;
const KIND_APPEND_ENTRIES: u8 = 3;
const KIND_TIMEOUT_NOW: u8 = 8;
const KIND_HELLO: u8 = 11;
const KIND_WELCOME: u8 = 12;

/// A frame as peers send it.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let content = [&[kind], body].concat();
    let length = u32::try_from(content.len()).expect("a short frame");
    let crc = crc32c::crc32c(&content);
    [&length.to_le_bytes(), &crc.to_le_bytes(), &content[..]].concat()
}

/// How a peer introduces itself.
#[derive(Clone)]
struct Hello {
    magic: [u8; 4],
    version: u32,
    cluster: String,
    from: u64,
    to: u64,
    directory: String,
}

impl Hello {
    fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let text = |body: &mut Vec<u8>, text: &str| {
            let length = u32::try_from(text.len()).expect("a short text");
            body.extend_from_slice(&length.to_le_bytes());
            body.extend_from_slice(text.as_bytes());
        };
        body.extend_from_slice(&self.magic);
        body.extend_from_slice(&self.version.to_le_bytes());
        text(&mut body, &self.cluster);
        body.extend_from_slice(&self.from.to_le_bytes());
        body.extend_from_slice(&self.to.to_le_bytes());
        text(&mut body, &self.directory);
        text(&mut body, "http://127.0.0.1:1");
        frame(KIND_HELLO, &body)
    }
}

/// Says `bytes` on a new connection, and nothing more; what was answered until the other side
/// hung up.
async fn say(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // It may hang up before it has read all.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

fn name(reason: &str) -> String {
    format!("telegraft_peer_rejects_total{{reason=\"{reason}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_peer_is_dropped_counted_and_harmless() {
    let mut cluster = Cluster::start(3).await;
    let chat = Chat::new(cluster.urls()).await;
    let load = Load::start(&chat, 4).await;
    load.goes_on(20).await;

    // One replica that was down lends its name to who speaks first and wrongly later.
    let away = cluster.follower().await;
    cluster.local.kill(away).await.expect("it is killed");
    let identity = cluster.replica(away).data_dir.join("identity.json");
    let identity = fs::read_to_string(identity).expect("an identity");
    let identity: serde_json::Value = serde_json::from_str(&identity).expect("it is JSON");
    let leader = cluster.leader().await;
    let term = async || metric(&chat.http, &cluster.replica(leader).url, "telegraft_term").await;
    let term_before = term().await;

    let target = cluster.replica(leader);
    let right = Hello {
        magic: *b"TGPL",
        version: VERSION,
        cluster: identity["cluster_id"].as_str().expect("a name").to_owned(),
        from: away,
        to: target.id,
        directory: identity["directory_id"].as_str().expect("an id").to_owned(),
    };
    let hello = |change: fn(&mut Hello)| {
        let mut hello = right.clone();
        change(&mut hello);
        hello.bytes()
    };
    let accepted = say(&target.peer, &right.bytes()).await;
    assert_eq!(accepted.get(8), Some(&KIND_WELCOME), "this one is right");

    let garbage: Vec<u8> = (0..4096_u32).map(|byte| (byte * 31 % 251) as u8).collect();
    let then = |frame: &[u8]| [&right.bytes(), frame].concat();
    let append = frame(KIND_APPEND_ENTRIES, &[0xff; 40]);
    let mut bad_sum = frame(KIND_TIMEOUT_NOW, &9_u64.to_le_bytes());
    bad_sum[4] ^= 1;
    let mut too_long = frame(KIND_TIMEOUT_NOW, &[]);
    too_long[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "an HTTP client",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            "garbage",
        ),
        ("garbage", garbage.clone(), "garbage"),
        ("a long length", too_long.clone(), "garbage"),
        ("half a hello", right.bytes()[..20].to_vec(), "io"),
        (
            "another magic",
            hello(|hello| hello.magic = *b"RAFT"),
            "not-a-peer",
        ),
        (
            "another version",
            hello(|hello| hello.version = 2),
            "wrong-version",
        ),
        (
            "another cluster",
            hello(|hello| hello.cluster = "another".to_owned()),
            "wrong-cluster",
        ),
        (
            "another receiver",
            hello(|hello| hello.to = 99),
            "wrong-node",
        ),
        ("a stranger", hello(|hello| hello.from = 99), "not-a-member"),
        (
            "another directory",
            hello(|hello| hello.directory = "another".to_owned()),
            "wrong-directory",
        ),
        ("a frame before the hello", append.clone(), "garbage"),
        ("garbage after the hello", then(&garbage), "garbage"),
        ("a long length after the hello", then(&too_long), "garbage"),
        ("a broken checksum", then(&bad_sum), "checksum"),
        ("entries of nonsense", then(&append), "garbage"),
        ("an unknown kind", then(&frame(200, &[0; 8])), "garbage"),
        ("no kind", then(&[0; 8]), "garbage"),
    ];
    for (what, bytes, reason) in cases {
        let name = name(reason);
        let before = metric(&chat.http, &target.url, &name).await;
        // That it ends at all shows that the connection was dropped.
        say(&target.peer, &bytes).await;
        let what = format!("{what} is counted as {reason}");
        until(&what, async || {
            (metric(&chat.http, &target.url, &name).await == before + 1.0).then_some(())
        })
        .await;
    }

    // Nobody has noticed: the same leader in the same term, and the one who was away is a peer
    // like before.
    load.goes_on(20).await;
    assert_eq!(cluster.leader().await, leader);
    assert_eq!(term().await, term_before);
    cluster.local.restart(away).await.expect("it starts again");
    let sent = load.stop().await;
    chat.holds_exactly(&sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_are_closed() {
    let cluster = Cluster::start(1).await;
    let chat = Chat::new(cluster.urls()).await;
    let target = cluster.replica(1);
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(&target.peer).await.expect("it listens"));
    }
    for stream in &mut idle {
        let mut byte = [0; 1];
        assert!(!matches!(stream.read(&mut byte).await, Ok(1..)));
    }
    let counted = metric(&chat.http, &target.url, &name("handshake-timeout")).await;
    assert_eq!(counted, 8.0);
}
