//! `telegraft node`: one replica, in the foreground.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use telegraft_cluster::node::{self, NodeError, NodeOptions};

use crate::args::{DurabilityArg, MailboxArg};
use crate::exit::{Exit, Failure};
use crate::runtime::{self, Interrupts};
use crate::tracing_setup;

const EXAMPLE: &str = "\
Example, the first of three:
  telegraft node --id 1 --listen 127.0.0.1:8351 --peer-listen 127.0.0.1:9351 \\
    --peers 1=127.0.0.1:9351,2=127.0.0.1:9352,3=127.0.0.1:9353 \\
    --data-dir data/node-1 --bootstrap
SIGTERM or Ctrl-C stops it cleanly.";

/// Run one replica, in the foreground.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// This replica's number, from 1.
    #[arg(long)]
    id: u64,
    /// Where clients reach it.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where its peers reach it.
    #[arg(long, value_name = "ADDRESS")]
    peer_listen: SocketAddr,
    /// The first members, this one included, and where each listens for its peers. Counts at
    /// bootstrap only; afterwards the log says who belongs.
    #[arg(
        long,
        value_name = "ID=ADDRESS,…",
        value_delimiter = ',',
        value_parser = peer,
        required_unless_present = "cluster_id"
    )]
    peers: Vec<(u64, String)>,
    /// Its data directory.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Let an empty data directory become a new replica.
    #[arg(long)]
    bootstrap: bool,
    /// The HTTP address that it tells others [default: from --listen].
    #[arg(long, value_name = "URL")]
    advertise_url: Option<String>,
    /// The cluster that it belongs to [default: a hash of --peers].
    #[arg(long, value_name = "NAME")]
    cluster_id: Option<String>,
    /// How its consensus actor takes its messages.
    #[arg(long, value_enum, default_value_t = MailboxArg::Lanes)]
    mailbox: MailboxArg,
    /// Whether a write is synced before it is acknowledged.
    #[arg(long, value_enum, default_value_t = DurabilityArg::Fsync)]
    durability: DurabilityArg,
    /// A log segment's size, in bytes. The next one is allocated ahead, so a replica needs room
    /// for two.
    #[arg(long, value_name = "BYTES", default_value_t = node::DEFAULT_SEGMENT_BYTES)]
    segment_bytes: u64,
    /// Listen beyond loopback, though nothing is encrypted and nobody is asked who they are.
    #[arg(long)]
    insecure: bool,
    /// End when standard input does.
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    tracing_setup::init("info")?;
    if args.exit_with_parent {
        runtime::exit_with_parent()?;
    }
    let options = args.options()?;
    let runtime = runtime::node()?;
    let ended = runtime.block_on(async {
        let mut interrupts = Interrupts::new()?;
        let shutdown = async move { interrupts.next().await };
        node::run(options, shutdown)
            .await
            .map_err(|error| match error {
                NodeError::Options(why) => Failure::usage(why),
                NodeError::Failed(why) => Failure::failed(why),
            })
    });
    // A thread that hangs in a disk must not hold the process up.
    runtime.shutdown_background();
    ended.map(|()| Exit::Done)
}

impl Args {
    fn options(self) -> Result<NodeOptions, Failure> {
        let mut peers = BTreeMap::new();
        for (id, address) in self.peers {
            if peers.insert(id, address).is_some() {
                return Err(Failure::usage(format!("--peers names node {id} twice")));
            }
        }
        Ok(NodeOptions {
            id: self.id,
            listen: self.listen,
            peer_listen: self.peer_listen,
            peers,
            data_dir: self.data_dir,
            bootstrap: self.bootstrap,
            advertise_url: self.advertise_url,
            cluster_id: self.cluster_id,
            mailbox: self.mailbox.into(),
            durability: self.durability.into(),
            insecure: self.insecure,
            segment_bytes: self.segment_bytes,
        })
    }
}

/// `1=127.0.0.1:9351`; the host may be a name.
fn peer(text: &str) -> Result<(u64, String), String> {
    let help = "a peer is written as 1=127.0.0.1:9351";
    let (id, address) = text
        .split_once('=')
        .ok_or_else(|| format!("{help}: the = is missing"))?;
    let id = id
        .parse()
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| format!("{help}: {id:?} is no number from 1"))?;
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| format!("{help}: the port is missing"))?;
    if host.is_empty() {
        return Err(format!("{help}: the host is missing"));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok((id, address.to_owned())),
        _ => Err(format!("{help}: {port:?} is no port")),
    }
}
