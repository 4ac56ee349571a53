//! `cluster.json`: which addresses the replicas of a data directory have.
//!
//! The peers' addresses are in the replicas' logs, so a cluster that is started again has to
//! have the same ones.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::LocalError;
use crate::raft::NodeId;

const FILE: &str = "cluster.json";
const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Layout {
    schema_version: u32,
    replicas: Vec<Place>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Place {
    id: NodeId,
    listen: SocketAddr,
    peer_listen: SocketAddr,
}

/// The addresses of the replicas in `dir`: those of last time, if there was one.
pub(super) fn load(dir: &Path, replicas: usize) -> Result<Option<Vec<Addresses>>, LocalError> {
    let path = path(dir);
    let failed = |what: &str, why: &dyn std::fmt::Display| {
        LocalError::Failed(format!("cannot {what} {}: {why}", path.display()))
    };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", &error)),
    };
    let layout: Layout =
        serde_json::from_slice(&bytes).map_err(|error| failed("understand", &error))?;
    if layout.schema_version != SCHEMA_VERSION {
        let why = format!("it has version {}", layout.schema_version);
        return Err(failed("understand", &why));
    }
    check(&layout, &path, replicas)?;
    let addresses = layout.replicas.iter().map(|place| Addresses {
        listen: place.listen,
        peer_listen: place.peer_listen,
    });
    Ok(Some(addresses.collect()))
}

/// Remembers the addresses of the replicas in `dir`.
pub(super) fn store(dir: &Path, addresses: &[Addresses]) -> Result<(), LocalError> {
    let layout = Layout {
        schema_version: SCHEMA_VERSION,
        replicas: (1..)
            .zip(addresses)
            .map(|(id, addresses)| Place {
                id,
                listen: addresses.listen,
                peer_listen: addresses.peer_listen,
            })
            .collect(),
    };
    let text = serde_json::to_vec_pretty(&layout).expect("a layout is plain data");
    write_durably(dir, &path(dir), &text).map_err(|error| {
        LocalError::Failed(format!("cannot write {}: {error}", path(dir).display()))
    })
}

/// The file.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Where the others and clients reach a replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) listen: SocketAddr,
    pub(super) peer_listen: SocketAddr,
}

/// The replicas' logs outlive a power cut with these ports in them, so this file must too.
fn write_durably(dir: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let new = dir.join("cluster.json.new");
    let mut file = File::create(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(dir)?.sync_all()
}

fn check(layout: &Layout, path: &Path, replicas: usize) -> Result<(), LocalError> {
    if layout.replicas.len() != replicas {
        return Err(LocalError::Failed(format!(
            "{} is of a cluster of {} replicas, not of {replicas}: give that number, or another \
             directory",
            path.display(),
            layout.replicas.len(),
        )));
    }
    if !(1..)
        .zip(&layout.replicas)
        .all(|(id, place)| place.id == id)
    {
        let text = format!("{}: the replicas are not numbered from 1", path.display());
        return Err(LocalError::Failed(text));
    }
    Ok(())
}
