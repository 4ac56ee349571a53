//! Whose a data directory is, and the lock on it.

use std::any::Any;
use std::io;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::files;
use super::known_peers;
use super::segment::parse_file_name;
use crate::env::Disk;
use crate::raft::NodeId;

const LOCK: &str = "LOCK";
const IDENTITY: &str = "identity.json";
/// Where the log is, inside a data directory.
const LOG: &str = "log";

/// Who a data directory belongs to (`identity.json`), and the lock on it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The cluster.
    pub cluster_id: String,
    /// The replica.
    pub node_id: NodeId,
    /// Random, made with the directory: another one under the same node id has forgotten
    /// its votes.
    pub directory_id: String,
}

/// Why a data directory is not ours to use, or a peer not who it was.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The text says what and where.
    #[error("{0}")]
    Refused(String),
}

impl IdentityError {
    pub(super) fn io(action: &str, path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
        move |error| IdentityError::Refused(format!("cannot {action} {}: {error}", path.display()))
    }
}

/// The exclusive lock on a data directory, until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _lock: Box<dyn Any + Send + Sync>,
}

impl Identity {
    /// Takes the lock on a data directory and reads who it belongs to; an empty (or missing)
    /// directory becomes this replica's when `bootstrap` is set.
    ///
    /// The identity is written before the log. When a crash came between the two, starting
    /// with `bootstrap` again goes on from there.
    ///
    /// # Errors
    /// Another process holds the lock; the directory is of another cluster or node; it is
    /// empty and `bootstrap` is not set; its log was lost; or the disk said no.
    pub fn load_or_create(
        disk: &dyn Disk,
        dir: &Path,
        cluster_id: &str,
        node_id: NodeId,
        bootstrap: bool,
        seed: u64,
    ) -> Result<(Identity, DirectoryLock), IdentityError> {
        let shown = dir.display();
        let refused = |what: String| Err(IdentityError::Refused(what));
        if bootstrap {
            disk.create_dir_all(dir)
                .map_err(IdentityError::io("create", dir))?;
        } else if matches!(disk.list(dir), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return refused(format!(
                "there is no data directory {shown}: to make a new replica, start with --bootstrap"
            ));
        }
        let lock = take_lock(disk, dir)?;
        let has_log = has_log(disk, dir)?;
        let has_peers = files::read_whole(disk, &dir.join(known_peers::FILE))
            .map_err(IdentityError::io("read", &dir.join(known_peers::FILE)))?
            .is_some();
        let path = dir.join(IDENTITY);
        let bytes = files::read_whole(disk, &path).map_err(IdentityError::io("read", &path))?;
        let Some(bytes) = bytes else {
            if has_log || has_peers {
                return refused(format!(
                    "data directory {shown} was a replica's, but its {IDENTITY} is gone"
                ));
            }
            if !bootstrap {
                return refused(format!(
                    "data directory {shown} is empty: to make a new replica, start with --bootstrap"
                ));
            }
            let identity = Identity {
                cluster_id: cluster_id.to_owned(),
                node_id,
                directory_id: random_id(seed),
            };
            files::replace(disk, dir, IDENTITY, &files::encode_fields(&identity))
                .map_err(IdentityError::io("write", &path))?;
            return Ok((identity, lock));
        };
        let identity: Identity = files::decode_fields(&bytes).map_err(|error| {
            IdentityError::Refused(format!("cannot understand {}: {error}", path.display()))
        })?;
        if identity.cluster_id != cluster_id {
            let theirs = &identity.cluster_id;
            return refused(format!(
                "data directory {shown} is of cluster {theirs}, not of {cluster_id}"
            ));
        }
        if identity.node_id != node_id {
            let theirs = identity.node_id;
            return refused(format!(
                "data directory {shown} is of node {theirs}, not of node {node_id}"
            ));
        }
        if !has_log && has_peers {
            // It has spoken to others, so it had a log: starting anew would forget its votes.
            return refused(format!(
                "the log of data directory {shown} is lost: replace this replica by a new one"
            ));
        }
        if !has_log && !bootstrap {
            return refused(format!(
                "data directory {shown} has no log: if it was never up, start with --bootstrap \
                 again; else its log is lost"
            ));
        }
        // Its name (and that of the known peers) may not be durable yet: the process that made
        // it may have been killed before it had synced the directory.
        disk.sync_dir(dir).map_err(IdentityError::io("sync", dir))?;
        Ok((identity, lock))
    }
}

fn take_lock(disk: &dyn Disk, dir: &Path) -> Result<DirectoryLock, IdentityError> {
    let path = dir.join(LOCK);
    match disk.lock(&path) {
        Ok(lock) => Ok(DirectoryLock { _lock: lock }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(IdentityError::Refused(format!(
                "data directory {} is in use by another process",
                dir.display()
            )))
        }
        Err(error) => Err(IdentityError::io("lock", &path)(error)),
    }
}

fn has_log(disk: &dyn Disk, dir: &Path) -> Result<bool, IdentityError> {
    let log = dir.join(LOG);
    match disk.list(&log) {
        Ok(names) => Ok(names.iter().any(|name| parse_file_name(name).is_some())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(IdentityError::io("list", &log)(error)),
    }
}

/// 128 bits, in hexadecimal.
fn random_id(seed: u64) -> String {
    let id: u128 = StdRng::seed_from_u64(seed).random();
    format!("{id:032x}")
}
