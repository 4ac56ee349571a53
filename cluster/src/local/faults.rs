//! What can be done to the links and disks of a cluster that was started for it.

use super::links::{LinkCounts, LinkFault};
use super::namespaces::Network;
use super::{LocalCluster, LocalError};
use crate::raft::NodeId;

impl LocalCluster {
    /// Sets what the link from one replica to another does from now on, to open connections too.
    /// In namespaces it can only be cut ([`LinkCut`](super::LinkCut)); that takes some
    /// milliseconds, for which the thread is blocked.
    ///
    /// # Errors
    /// There is no such link, the fault's numbers make no sense, or the links cannot do that:
    /// the cluster was started with [`Links::Direct`](super::Links::Direct), or in namespaces.
    pub fn set_link(
        &mut self,
        from: NodeId,
        to: NodeId,
        fault: LinkFault,
    ) -> Result<(), LocalError> {
        fault.check()?;
        for id in [from, to] {
            self.index(id)?;
        }
        if from == to {
            let text = format!("replica {from} needs no link to itself");
            return Err(LocalError::Failed(text));
        }
        match (&self.fault_links, &mut self.network) {
            (Some(links), _) => links.set(from, to, fault),
            (None, Some(network)) => network.set_link(from, to, fault),
            (None, None) => Err(LocalError::Failed(
                "nothing can be done to direct links: start the cluster with fault links"
                    .to_owned(),
            )),
        }
    }

    /// Mends all links.
    ///
    /// # Errors
    /// In namespaces: the system refuses it.
    pub fn clear_links(&mut self) -> Result<(), LocalError> {
        if let Some(links) = &self.fault_links {
            links.clear();
        }
        match &mut self.network {
            Some(network) => network.clear_links(),
            None => Ok(()),
        }
    }

    /// What links have done so far. All zeros without proxies and namespaces, and where
    /// [nobody counts](Self::counts_cuts). In namespaces it takes some milliseconds, for which the
    /// thread is blocked.
    ///
    /// # Errors
    /// In namespaces: the system does not tell.
    pub fn link_counts(&self) -> Result<LinkCounts, LocalError> {
        match (&self.fault_links, &self.network) {
            (Some(links), _) => Ok(links.counts()),
            (None, Some(network)) => network.counts(),
            (None, None) => Ok(LinkCounts::default()),
        }
    }

    /// Whether somebody counts what meets a cut: not with direct links, and not in namespaces where
    /// [it cannot be had](super::can_count_cuts).
    pub fn counts_cuts(&self) -> bool {
        let counts = self.network.as_ref().map(Network::counts_cuts);
        counts.unwrap_or(self.fault_links.is_some())
    }

    /// Takes all the room that is left on the replica's disk. A replica has allocated a log
    /// segment ahead and writes on until it has used that up.
    ///
    /// # Errors
    /// There is no such replica, the cluster was started without a
    /// [`DiskLimit`](super::DiskLimit), or the system says no.
    pub fn fill_disk(&mut self, id: NodeId) -> Result<(), LocalError> {
        self.disk(id)?.fill()
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// As for [`fill_disk`](Self::fill_disk).
    pub fn free_disk(&mut self, id: NodeId) -> Result<(), LocalError> {
        self.disk(id)?.free()
    }

    fn disk(&mut self, id: NodeId) -> Result<&mut super::disks::SmallDisk, LocalError> {
        let index = self.index(id)?;
        self.members[index].disk.as_mut().ok_or_else(|| {
            LocalError::Failed(format!(
                "replica {id} has no disk of its own: start the cluster with a limit"
            ))
        })
    }
}
