//! The simulated world itself: what its network, its processes and its disk do to what runs
//! in them.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may stop at the first surprise, as tests do"
)]

mod cuts;
mod disk;
mod faults;
mod process;

use std::io::ErrorKind;
use std::time::Duration;

use telegraft_cluster::env::{Listener, SimListener, SimNetwork, Stream, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const LATENCY: (Duration, Duration) = (MS, MS);
/// Longer than any connection lives without acknowledgements.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn simulate<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(story)
}

/// A frame as replicas send it: length, checksum (which nobody here looks at), content.
pub(crate) fn frame(number: u32) -> Vec<u8> {
    let content = number.to_le_bytes();
    let mut frame = 4_u32.to_le_bytes().to_vec();
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&content);
    frame
}

/// The next frame's number; none at the end of the stream.
pub(crate) async fn receive(stream: &mut Box<dyn Stream>) -> std::io::Result<Option<u32>> {
    let mut frame = [0; 12];
    match stream.read_exact(&mut frame).await {
        Ok(_) => Ok(Some(u32::from_le_bytes(frame[8..].try_into().unwrap()))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// All frames up to the end of the stream.
pub(crate) async fn receive_all(stream: &mut Box<dyn Stream>) -> Vec<u32> {
    let mut frames = Vec::new();
    while let Some(number) = receive(stream).await.unwrap() {
        frames.push(number);
    }
    frames
}

/// A connection dialed by node 1, accepted by node 2.
pub(crate) async fn connect(
    network: &SimNetwork,
) -> (Box<dyn Stream>, Box<dyn Stream>, SimListener) {
    let listener = network.listen(2, "two:1");
    let dialed = network.transport(1).connect("two:1".to_owned()).await;
    let accepted = listener.accept().await.unwrap();
    (dialed.unwrap(), accepted, listener)
}

/// Sends `count` frames one by one, `pause` apart, and closes; what arrives.
pub(crate) async fn through(network: &SimNetwork, count: u32, pause: Duration) -> Vec<u32> {
    let (mut near, mut far, _listener) = connect(network).await;
    let sender = tokio::spawn(async move {
        for number in 0..count {
            near.write_all(&frame(number)).await.unwrap();
            sleep(pause).await;
        }
    });
    let frames = receive_all(&mut far).await;
    sender.await.unwrap();
    frames
}
