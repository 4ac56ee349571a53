//! A process without descriptors accepts again once it has some. (The limit is the process's,
//! so this test is alone in its own.)

mod http_support;

use std::fs::File;
use std::io::Write;

use http_support::{Fake, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[tokio::test(flavor = "current_thread")]
async fn running_out_of_descriptors_is_survived() {
    let few = Rlimit {
        current: Some(128),
        maximum: Some(128),
    };
    setrlimit(Resource::Nofile, few).unwrap();
    let server = Server::start(&Fake::new()).await;
    assert_eq!(getrlimit(Resource::Nofile).current, Some(128));

    // The kernel completes the connection; the server gets to accept it only at the next await.
    let mut client = std::net::TcpStream::connect(server.address).unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    assert!(!hoard.is_empty());
    client
        .write_all(http_support::get("/healthz").as_bytes())
        .unwrap();
    client.set_nonblocking(true).unwrap();
    let mut answer = [0; 15];
    for _ in 0..100 {
        tokio::task::yield_now().await;
        let refused = client.peek(&mut answer).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
    }
    hoard.clear();
    let answered = async {
        while client.peek(&mut answer).unwrap_or(0) < answer.len() {
            tokio::task::yield_now().await;
        }
    };
    http_support::soon("an answer", answered).await;
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}
