//! `telegraft cluster`: a local cluster to play with.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use telegraft_cluster::local::{Links, LocalCluster, LocalOptions, Replica, System};

use crate::args::{DurabilityArg, Format, MailboxArg};
use crate::exit::{Exit, Failure};
use crate::runtime::{self, Interrupts};
use crate::tracing_setup;

const EXAMPLE: &str = "\
Examples:
  telegraft cluster
  telegraft cluster --replicas 5 --data-dir data --format json

Then, for example:
  curl -s http://127.0.0.1:8351/v1/status
  curl -s http://127.0.0.1:8351/v1/users -H 'content-type: application/json' -d '{\"name\":\"ada\"}'";

/// How long it may take until a leader serves: a restart reads the whole log first.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked whether a replica has died.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Run a local cluster to play with, one process per replica, until Ctrl-C or SIGTERM.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// How many replicas.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    replicas: u8,
    /// Where their data and their logs go; started again on the same directory, the cluster
    /// continues [default: a new directory, removed at the end].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the search for free ports begins: 8351, … for clients, 9351, … for peers.
    #[arg(long, value_name = "PORT", default_value_t = 8350)]
    base_port: u16,
    /// How the replicas are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Say nothing but that.
    #[arg(long)]
    quiet: bool,
    /// How the consensus actors take their messages.
    #[arg(long, value_enum, default_value_t = MailboxArg::Lanes)]
    mailbox: MailboxArg,
    /// Whether a write is synced before it is acknowledged.
    #[arg(long, value_enum, default_value_t = DurabilityArg::Fsync)]
    durability: DurabilityArg,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    tracing_setup::init("warn")?;
    let temporary = match &args.data_dir {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("telegraft-cluster-")
                .tempdir()
                .map_err(|error| {
                    Failure::failed(format!("cannot make a directory for its data: {error}"))
                })?,
        ),
    };
    let data_dir = match (&args.data_dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(dir)) => dir.path().to_owned(),
        (None, None) => unreachable!("one of them is there"),
    };
    runtime::launcher()?.block_on(keep_up(&args, data_dir))
}

async fn keep_up(args: &Args, data_dir: PathBuf) -> Result<Exit, Failure> {
    let mut interrupts = Interrupts::new()?;
    let options = LocalOptions {
        binary: std::env::current_exe()
            .map_err(|error| Failure::failed(format!("where this program is: {error}")))?,
        system: System::Telegraft,
        replicas: usize::from(args.replicas),
        data_dir,
        base_port: Some(args.base_port),
        durability: args.durability.into(),
        mailbox: args.mailbox.into(),
        ready_timeout: READY_TIMEOUT,
        links: Links::Direct,
        disk: None,
        segment_bytes: None,
    };
    let cluster = tokio::select! {
        // A start that is given up kills what it has started.
        () = interrupts.next() => return Ok(Exit::Done),
        started = LocalCluster::start(options) => started.map_err(Failure::failed)?,
    };
    print(&cluster.replicas(), args.format)
        .map_err(|error| Failure::failed(format!("cannot print the replicas: {error}")))?;
    if !args.quiet {
        eprintln!("Ctrl-C stops the cluster.");
    }

    let watched = tokio::select! {
        () = interrupts.next() => Ok(()),
        end = watch(&cluster) => Err(end),
    };
    if !args.quiet {
        eprintln!("Stopping.");
    }
    tokio::select! {
        stopped = cluster.stop() => stopped.map_err(Failure::failed)?,
        // Whoever asks twice does not want to wait.
        () = interrupts.next() => {}
    }
    watched.map(|()| Exit::Done)
}

/// Tells of each replica that dies; ends when none is left.
async fn watch(cluster: &LocalCluster) -> Failure {
    let replicas = cluster.replicas().len();
    let mut told = BTreeSet::new();
    loop {
        for (id, end) in cluster.ended() {
            if told.insert(id) {
                eprintln!("telegraft: {end}");
            }
        }
        if told.len() == replicas {
            return Failure::failed("no replica is left");
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

fn print(replicas: &[Replica], format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if format == Format::Text {
        writeln!(
            out,
            "replica  url                    peer             pid      data"
        )?;
    }
    for replica in replicas {
        match format {
            Format::Json => {
                let line = serde_json::to_string(replica).map_err(io::Error::other)?;
                writeln!(out, "{line}")?;
            }
            Format::Text => writeln!(
                out,
                "{:<7}  {:<21}  {:<15}  {:<7}  {}",
                replica.id,
                replica.url,
                replica.peer,
                replica.pid,
                replica.data_dir.display()
            )?,
        }
    }
    out.flush()
}
