//! Where replicas listen.

use std::net::SocketAddr;

use super::layout::{self, Addresses};
use super::links::Route;
use super::namespaces::Network;
use super::ports::{self, PortLease, PortPair};
use super::{Links, LocalError, LocalOptions, System};
use crate::raft::NodeId;

/// Where a replica listens. The addresses are its own as long as the cluster lives, also while it
/// is down.
#[derive(Debug)]
pub(super) struct Place {
    /// For clients.
    pub(super) listen: SocketAddr,
    /// What its peers are told: its own address, or its proxy's.
    pub(super) peer: SocketAddr,
    /// Where it listens for them.
    pub(super) peer_listen: SocketAddr,
    _leases: Vec<PortLease>,
}

impl Place {
    fn of_pair(pair: PortPair, behind_proxy: Option<PortLease>) -> Self {
        let peer = pair.peer_listen.address();
        Place {
            listen: pair.listen.address(),
            peer,
            peer_listen: behind_proxy.as_ref().map_or(peer, PortLease::address),
            _leases: [pair.listen, pair.peer_listen]
                .into_iter()
                .chain(behind_proxy)
                .collect(),
        }
    }

    /// From the proxy to the replica.
    pub(super) fn route(&self, id: NodeId) -> Route {
        Route {
            id,
            proxy: self.peer,
            replica: self.peer_listen,
        }
    }

    fn addresses(&self) -> Addresses {
        Addresses {
            listen: self.listen,
            peer_listen: self.peer,
        }
    }
}

/// Places for all replicas: those that they had last time in this directory, or new ones, which
/// are remembered. In namespaces, with the network that they are in.
pub(super) fn find(options: &LocalOptions) -> Result<(Vec<Place>, Option<Network>), LocalError> {
    if options.system == System::Null {
        if options.links != Links::Direct {
            let text = "the null system has no links between replicas".to_owned();
            return Err(LocalError::Failed(text));
        }
        let pairs = ports::take_pairs(options.base_port, 1)?;
        return Ok((on_loopback(pairs, Vec::new()), None));
    }
    let dir = &options.data_dir;
    let known = layout::load(dir, options.replicas)?;
    if let Some(known) = &known {
        let in_namespaces = options.links == Links::Namespaces;
        if known
            .iter()
            .any(|place| place.peer_listen.ip().is_loopback() == in_namespaces)
        {
            return Err(LocalError::Failed(format!(
                "{} is of a cluster {} network namespaces, and the addresses are in its logs: \
                 start it so again, or give another directory",
                layout::path(dir).display(),
                if in_namespaces { "without" } else { "in" },
            )));
        }
    }
    let is_known = known.is_some();
    let (places, network) = if options.links == Links::Namespaces {
        let (network, addresses) = Network::lease(known, options.replicas)?;
        let places = addresses.into_iter().map(|addresses| Place {
            listen: addresses.listen,
            peer: addresses.peer_listen,
            peer_listen: addresses.peer_listen,
            _leases: Vec::new(),
        });
        (places.collect(), Some(network))
    } else {
        let pairs = match known {
            Some(known) => take_known(options, &known)?,
            None => ports::take_pairs(options.base_port, options.replicas)?,
        };
        let behind_proxies = match options.links {
            Links::Faulty { .. } => ports::take_inner(options.base_port, options.replicas)?,
            Links::Direct | Links::Namespaces => Vec::new(),
        };
        (on_loopback(pairs, behind_proxies), None)
    };
    if !is_known {
        let addresses: Vec<Addresses> = places.iter().map(Place::addresses).collect();
        layout::store(dir, &addresses)?;
    }
    Ok((places, network))
}

fn on_loopback(pairs: Vec<PortPair>, behind_proxies: Vec<PortLease>) -> Vec<Place> {
    let mut behind_proxies = behind_proxies.into_iter();
    let places = pairs.into_iter();
    places
        .map(|pair| Place::of_pair(pair, behind_proxies.next()))
        .collect()
}

fn take_known(options: &LocalOptions, known: &[Addresses]) -> Result<Vec<PortPair>, LocalError> {
    let take = |(id, place): (NodeId, &Addresses)| {
        ports::take_exactly(place.listen, place.peer_listen).map_err(|taken| {
            LocalError::Failed(format!(
                "replica {id} had {taken} (see {}), which is taken: by this cluster, which runs \
                 already, by another one or by another program",
                layout::path(&options.data_dir).display()
            ))
        })
    };
    (1..).zip(known).map(take).collect()
}
