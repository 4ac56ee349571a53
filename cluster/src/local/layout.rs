//! `cluster.json`: which ports the replicas of a data directory have.
//!
//! The peers' addresses are in the replicas' logs, so a cluster that is started again has to
//! have the same ones.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LocalError;
use super::ports::{self, PortPair};
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

/// The ports of the replicas in `dir`: those of last time, or new ones, which are remembered.
pub(super) fn load_or_create(
    dir: &Path,
    base_port: Option<u16>,
    replicas: usize,
) -> Result<Vec<PortPair>, LocalError> {
    let path = dir.join(FILE);
    let failed = |what: &str, why: &dyn std::fmt::Display| {
        LocalError::Failed(format!("cannot {what} {}: {why}", path.display()))
    };
    match fs::read(&path) {
        Ok(bytes) => {
            let layout: Layout =
                serde_json::from_slice(&bytes).map_err(|error| failed("understand", &error))?;
            if layout.schema_version != SCHEMA_VERSION {
                let why = format!("it has version {}", layout.schema_version);
                return Err(failed("understand", &why));
            }
            reuse(&layout, &path, replicas)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let pairs = ports::take_pairs(base_port, replicas)?;
            let layout = Layout {
                schema_version: SCHEMA_VERSION,
                replicas: (1..)
                    .zip(&pairs)
                    .map(|(id, pair)| Place {
                        id,
                        listen: pair.listen.address(),
                        peer_listen: pair.peer_listen.address(),
                    })
                    .collect(),
            };
            let text = serde_json::to_vec_pretty(&layout).expect("a layout is plain data");
            write_durably(dir, &path, &text).map_err(|error| failed("write", &error))?;
            Ok(pairs)
        }
        Err(error) => Err(failed("read", &error)),
    }
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

fn reuse(layout: &Layout, path: &Path, replicas: usize) -> Result<Vec<PortPair>, LocalError> {
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
    let take = |place: &Place| {
        ports::take_exactly(place.listen, place.peer_listen).map_err(|taken| {
            LocalError::Failed(format!(
                "replica {} had {taken} (see {}), which is taken: by this cluster, which runs \
                 already, by another one or by another program",
                place.id,
                path.display()
            ))
        })
    };
    layout.replicas.iter().map(take).collect()
}
