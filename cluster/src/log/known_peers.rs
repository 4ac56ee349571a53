//! Which directory each peer was first seen with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files;
use super::identity::IdentityError;
use crate::env::Disk;
use crate::known_bugs::{self, KnownBug};
use crate::raft::NodeId;

pub(super) const FILE: &str = "peers.json";

/// Which directory each peer was first seen with (`peers.json`).
#[derive(Debug)]
pub struct KnownPeers {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    directories: BTreeMap<NodeId, String>,
}

impl KnownPeers {
    /// Reads what is known in a data directory; nothing yet is fine.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn load(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, IdentityError> {
        let path = dir.join(FILE);
        let bytes =
            files::read_whole(disk.as_ref(), &path).map_err(IdentityError::io("read", &path))?;
        let directories = match bytes {
            Some(bytes) => files::decode_fields(&bytes).map_err(|error| {
                IdentityError::Refused(format!("cannot understand {}: {error}", path.display()))
            })?,
            None => BTreeMap::new(),
        };
        Ok(KnownPeers {
            disk,
            dir: dir.to_owned(),
            directories,
        })
    }

    /// A peer under a new id is recorded, durably; under a known id its directory must be the
    /// same one.
    ///
    /// # Errors
    /// It is another directory: the peer has forgotten its votes. Or the disk said no.
    pub fn check_or_record(
        &mut self,
        peer: NodeId,
        directory_id: &str,
    ) -> Result<(), IdentityError> {
        match self.directories.get(&peer) {
            Some(known)
                if known == directory_id || known_bugs::active(KnownBug::LostDirectoryAccepted) =>
            {
                return Ok(());
            }
            Some(known) => {
                return Err(IdentityError::Refused(format!(
                    "node {peer} was known with data directory {known} and comes with \
                     {directory_id}: it has forgotten its votes, and must be replaced"
                )));
            }
            None => {}
        }
        let mut directories = self.directories.clone();
        directories.insert(peer, directory_id.to_owned());
        let text = files::encode_fields(&directories);
        files::replace(self.disk.as_ref(), &self.dir, FILE, &text)
            .map_err(IdentityError::io("write", &self.dir.join(FILE)))?;
        self.directories = directories;
        Ok(())
    }
}
