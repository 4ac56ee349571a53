//! Addresses that nobody else on this machine uses.

use std::net::{IpAddr, Ipv4Addr};

use crate::local::layout::Addresses;
use crate::local::{FileLock, LocalError};
use crate::raft::NodeId;

use super::tools;

/// 198.18.0.0/15 is set aside for benchmarks of networks (RFC 2544, RFC 6890): no network that
/// one wants to reach is in it.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// Subnets in it.
const SUBNETS: u32 = 512;
/// The launcher's number in a subnet; replicas have their ids.
const LAUNCHER: u8 = 254;
/// A route to a larger part of the internet than this, in bits of its prefix, says nothing of
/// whether somebody is there.
const MIN_ROUTE_BITS: u32 = 8;

/// A subnet of our own, until it is dropped.
#[derive(Debug)]
pub(super) struct Subnet {
    address: Ipv4Addr,
    _lock: FileLock,
}

impl Subnet {
    /// Of 32 bits of an address, those that are the same in a subnet.
    pub(super) const PREFIX_BITS: u32 = 24;

    /// The first free one with room for that many replicas.
    pub(super) fn take(replicas: usize) -> Result<Subnet, LocalError> {
        if replicas >= usize::from(LAUNCHER) {
            let text = format!("{replicas} replicas are more than a subnet has addresses for");
            return Err(LocalError::Failed(text));
        }
        let routes = routes()?;
        for number in 0..SUBNETS {
            let address = Ipv4Addr::from(u32::from(FIRST) + (number << (32 - Self::PREFIX_BITS)));
            if let Some(subnet) = Subnet::try_take(address, &routes)? {
                return Ok(subnet);
            }
        }
        let text = "no subnet of 198.18.0.0/15 is free for network namespaces";
        Err(LocalError::Failed(text.to_owned()))
    }

    /// The one of a cluster that is started again.
    pub(super) fn take_again(known: &[Addresses]) -> Result<Subnet, LocalError> {
        let address = known.first().and_then(|first| match first.listen.ip() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Some(Ipv4Addr::new(a, b, c, 0))
            }
            IpAddr::V6(_) => None,
        });
        let address = address.filter(|address| {
            (1..).zip(known).all(|(id, place)| {
                let expected = IpAddr::V4(numbered(*address, id));
                place.listen.ip() == expected && place.peer_listen.ip() == expected
            })
        });
        let Some(address) = address else {
            let text = "the addresses of last time are not those of a subnet's replicas";
            return Err(LocalError::Failed(text.to_owned()));
        };
        Subnet::try_take(address, &routes()?)?.ok_or_else(|| {
            LocalError::Failed(format!(
                "the cluster had the subnet {address}/{}, which is taken: by this cluster, which \
                 runs already, by another one or by a route of this machine",
                Self::PREFIX_BITS
            ))
        })
    }

    fn try_take(
        address: Ipv4Addr,
        routes: &[(Ipv4Addr, u32)],
    ) -> Result<Option<Subnet>, LocalError> {
        if routes.iter().any(|route| overlaps(address, *route)) {
            return Ok(None);
        }
        let lock = FileLock::try_take(&format!("telegraft-net-{address}.lock"))
            .map_err(|error| LocalError::Failed(format!("cannot lock {address}: {error}")))?;
        Ok(lock.map(|lock| Subnet {
            address,
            _lock: lock,
        }))
    }

    /// The launcher's address.
    pub(super) fn launcher(&self) -> Ipv4Addr {
        numbered(self.address, NodeId::from(LAUNCHER))
    }

    /// A replica's address.
    pub(super) fn replica(&self, id: NodeId) -> Ipv4Addr {
        numbered(self.address, id)
    }
}

fn numbered(subnet: Ipv4Addr, number: NodeId) -> Ipv4Addr {
    let [a, b, c, _] = subnet.octets();
    let number = u8::try_from(number).expect("replicas have numbers below the launcher's");
    Ipv4Addr::new(a, b, c, number)
}

/// Whether a route leads to addresses of this subnet, and not just everywhere.
fn overlaps(subnet: Ipv4Addr, (address, bits): (Ipv4Addr, u32)) -> bool {
    let shared = 32 - bits.min(Subnet::PREFIX_BITS);
    let same = u64::from(u32::from(subnet)) >> shared == u64::from(u32::from(address)) >> shared;
    bits >= MIN_ROUTE_BITS && same
}

/// Where this machine's routes lead.
fn routes() -> Result<Vec<(Ipv4Addr, u32)>, LocalError> {
    let text = tools::read(&["-4", "-oneline", "route", "show", "table", "all"])
        .map_err(LocalError::Failed)?;
    Ok(text.lines().filter_map(route).collect())
}

/// Where a route leads, in a line of `ip route`: first comes its kind, or not.
fn route(line: &str) -> Option<(Ipv4Addr, u32)> {
    line.split_whitespace().take(2).find_map(|word| {
        let (address, bits) = word.split_once('/').unwrap_or((word, "32"));
        Some((address.parse().ok()?, bits.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_that_lead_to_a_subnet_are_seen() {
        let lines = [
            "default via 192.0.2.1 dev eth0",
            "198.18.4.0/22 dev tun0 proto kernel scope link src 198.18.4.1",
            "local 198.19.7.9 dev eth1 table local proto kernel scope host",
            "0.0.0.0/1 via 10.8.0.1 dev tun0",
            "broadcast 192.0.2.255 dev eth0 table local",
        ];
        let routes: Vec<_> = lines.into_iter().filter_map(route).collect();
        let is_free = |subnet: [u8; 4]| {
            let subnet = Ipv4Addr::from(subnet);
            !routes.iter().any(|route| overlaps(subnet, *route))
        };
        assert_eq!(routes.len(), 4, "{routes:?}");
        assert!(is_free([198, 18, 3, 0]));
        assert!(!is_free([198, 18, 4, 0]));
        assert!(!is_free([198, 18, 7, 0]));
        assert!(is_free([198, 18, 8, 0]));
        assert!(!is_free([198, 19, 7, 0]));
        assert!(!is_free([192, 0, 2, 0]));
    }
}
