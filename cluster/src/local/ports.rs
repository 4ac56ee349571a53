//! Ports for replicas, handed out once on the whole machine.
//!
//! A port is leased by a lock on a file of its own in the directory for temporary files, held
//! as long as the cluster lives: two launchers never hand out the same port, though the replica
//! that will listen on it has not started yet.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::{FileLock, LocalError};

/// Where the search for ports begins when nothing else is said.
pub(super) const DEFAULT_BASE_PORT: u16 = 8350;
/// How far a replica's peer port is from its HTTP port: 8351 and 9351 are easy to tell apart.
pub(super) const PEER_PORT_OFFSET: u16 = 1000;
/// How many ports are tried for replicas behind proxies.
const INNER_PORTS: u16 = 4000;

/// The right to listen on a port, until it is dropped.
#[derive(Debug)]
pub(super) struct PortLease {
    port: u16,
    _lock: FileLock,
}

impl PortLease {
    /// Leases `port`, if no other cluster has and nobody listens there.
    pub(super) fn take(port: u16) -> Result<Option<PortLease>, LocalError> {
        let locked = FileLock::try_take(&format!("telegraft-port-{port}.lock"))
            .map_err(|error| LocalError::Failed(format!("cannot lock port {port}: {error}")))?;
        let Some(lock) = locked else {
            return Ok(None);
        };
        let lease = PortLease { port, _lock: lock };
        Ok(TcpListener::bind(lease.address()).is_ok().then_some(lease))
    }

    /// The loopback address with this port.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

/// The ports of one replica.
#[derive(Debug)]
pub(super) struct PortPair {
    pub(super) listen: PortLease,
    pub(super) peer_listen: PortLease,
}

/// Leases ports for `count` replicas: the first free pairs above `base`.
pub(super) fn take_pairs(base: Option<u16>, count: usize) -> Result<Vec<PortPair>, LocalError> {
    let base = base.unwrap_or(DEFAULT_BASE_PORT);
    let mut pairs = Vec::with_capacity(count);
    // The HTTP ports end where the peers' begin.
    for offset in 1..PEER_PORT_OFFSET {
        if pairs.len() == count {
            break;
        }
        let Some(port) = base.checked_add(offset) else {
            break;
        };
        let Some(peer_port) = port.checked_add(PEER_PORT_OFFSET) else {
            break;
        };
        if is_ephemeral(port) || is_ephemeral(peer_port) {
            continue;
        }
        let Some(listen) = PortLease::take(port)? else {
            continue;
        };
        let Some(peer_listen) = PortLease::take(peer_port)? else {
            continue;
        };
        pairs.push(PortPair {
            listen,
            peer_listen,
        });
    }
    if pairs.len() < count {
        return Err(LocalError::Failed(format!(
            "no {count} pairs of free ports (p and p + {PEER_PORT_OFFSET}, outside the range that \
             the system gives to outgoing connections) above {base}"
        )));
    }
    Ok(pairs)
}

/// Leases `count` free ports that nobody else is told: the first ones above the peers' ports of
/// clusters whose search began at `base`.
pub(super) fn take_inner(base: Option<u16>, count: usize) -> Result<Vec<PortLease>, LocalError> {
    let base = base.unwrap_or(DEFAULT_BASE_PORT);
    let first = base.saturating_add(2 * PEER_PORT_OFFSET);
    let mut leases = Vec::with_capacity(count);
    for port in (first..=u16::MAX).take(usize::from(INNER_PORTS)) {
        if leases.len() == count {
            break;
        }
        if !is_ephemeral(port) {
            leases.extend(PortLease::take(port)?);
        }
    }
    if leases.len() == count {
        return Ok(leases);
    }
    Err(LocalError::Failed(format!(
        "no {count} free ports for replicas behind proxies among the {INNER_PORTS} from {first}"
    )))
}

/// Leases exactly the ports of `listen` and `peer_listen`.
pub(super) fn take_exactly(
    listen: SocketAddr,
    peer_listen: SocketAddr,
) -> Result<PortPair, SocketAddr> {
    let take = |address: SocketAddr| PortLease::take(address.port()).ok().flatten();
    Ok(PortPair {
        listen: take(listen).ok_or(listen)?,
        peer_listen: take(peer_listen).ok_or(peer_listen)?,
    })
}

/// Whether the system may give this port to an outgoing connection at any time.
fn is_ephemeral(port: u16) -> bool {
    let Ok(text) = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range") else {
        return false;
    };
    let mut bounds = text.split_whitespace().map(str::parse::<u16>);
    match (bounds.next(), bounds.next()) {
        (Some(Ok(low)), Some(Ok(high))) => (low..=high).contains(&port),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_port_is_handed_out_once_and_again_when_it_is_given_back() {
        let pairs = take_pairs(Some(21000), 3).expect("there are free ports");
        let ports: BTreeSet<u16> = pairs
            .iter()
            .flat_map(|pair| {
                [
                    pair.listen.address().port(),
                    pair.peer_listen.address().port(),
                ]
            })
            .collect();
        assert_eq!(ports.len(), 6);
        let more = take_pairs(Some(21000), 3).expect("there are more");
        for pair in &more {
            assert!(!ports.contains(&pair.listen.address().port()));
            assert!(!ports.contains(&pair.peer_listen.address().port()));
        }
        let (listen, peer) = (pairs[0].listen.address(), pairs[0].peer_listen.address());
        assert_eq!(
            take_exactly(listen, peer).expect_err("it is leased"),
            listen
        );
        let file = pairs[0].listen._lock.path().to_owned();
        assert!(file.exists());
        drop(pairs);
        assert!(!file.exists(), "{} is left", file.display());
        take_exactly(listen, peer).expect("it was given back");
    }

    #[test]
    fn a_port_that_someone_listens_on_is_passed_over() {
        let pairs = take_pairs(Some(23000), 1).expect("there are free ports");
        let taken = pairs[0].listen.address();
        drop(pairs);
        let _listener = TcpListener::bind(taken).expect("it was free");
        for pair in take_pairs(Some(23000), 2).expect("there are more") {
            assert_ne!(pair.listen.address(), taken);
        }
    }

    #[test]
    fn ports_for_more_replicas_than_there_are_ports_are_refused() {
        let error = take_pairs(Some(65000), 3).expect_err("65000 and 66000");
        assert!(error.to_string().contains("above 65000"), "{error}");
    }
}
