//! Replicas in network namespaces of their own: real interfaces, and links that the kernel cuts.
//!
//! ```text
//! launcher's namespace          hub                       one for each replica
//!   tg<pid>n<k> .254 ─────────── host ─┐
//!                                   bridge ── r1 ───────── eth0 .1
//!                                      └───── r2 ───────── eth0 .2
//! ```
//!
//! The bridge has a namespace of its own, so that no firewall of the launcher's forwards, or
//! refuses to, what replicas say to each other. All names carry the launcher's process id:
//! what one that was killed has left, the next one removes.

mod filter;
mod neighbours;
mod subnet;
mod tools;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::layout::Addresses;
use super::links::{LinkCounts, LinkCut, LinkFault};
use super::ports::{DEFAULT_BASE_PORT, PEER_PORT_OFFSET};
use super::{LocalError, process};
use crate::raft::NodeId;
use subnet::Subnet;
use tools::ip;

/// What our namespaces are named, before the launcher's process id.
const PREFIX: &str = "telegraft-";
/// Where all replicas listen for clients; in a namespace every port is free.
const PORT: u16 = DEFAULT_BASE_PORT + 1;

/// Networks that this process has made so far.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Whether this process may make network namespaces.
///
/// # Errors
/// What is missing.
pub fn can_use_namespaces() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("network namespaces take root".to_owned());
    }
    let made = in_probe(|probe| {
        ip(&["-n", probe, "link", "add", "bridge", "type", "bridge"])?;
        ip(&[
            "-n", probe, "link", "add", "one", "type", "veth", "peer", "name", "other",
        ])
    });
    made.map_err(|error| format!("network namespaces cannot be made: {error}"))
}

/// Whether this process may cut links between network namespaces by nftables, which counts what meets
/// a cut. Otherwise they are cut in silence only, and nobody counts.
///
/// # Errors
/// What is missing.
pub fn can_count_cuts() -> Result<(), String> {
    in_probe(filter::make)
}

/// Tries something in a namespace of its own.
fn in_probe(work: impl FnOnce(&str) -> Result<(), String>) -> Result<(), String> {
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let probe = format!("{PREFIX}{}-{number}-probe", std::process::id());
    let done = ip(&["netns", "add", &probe]).and_then(|()| work(&probe));
    // It may not be there.
    let _ = ip(&["netns", "del", &probe]);
    done
}

/// The namespaces of a cluster; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Network {
    number: u32,
    subnet: Subnet,
    replicas: Vec<NodeId>,
    cuts: BTreeMap<(NodeId, NodeId), LinkCut>,
    /// Why cuts are not made by nftables, if they are not.
    uncounted: Option<String>,
}

impl Network {
    /// Makes namespaces for replicas from 1, at the addresses of last time or in the first
    /// subnet that is free.
    pub(super) fn lease(
        known: Option<Vec<Addresses>>,
        replicas: usize,
    ) -> Result<(Self, Vec<Addresses>), LocalError> {
        can_use_namespaces().map_err(LocalError::Failed)?;
        remove_stale();
        let subnet = match &known {
            Some(known) => Subnet::take_again(known)?,
            None => Subnet::take(replicas)?,
        };
        let addresses = known.unwrap_or_else(|| {
            let addresses = (1..).take(replicas).map(|id| addresses(&subnet, id));
            addresses.collect()
        });
        let mut network = Network {
            number: MADE.fetch_add(1, Ordering::Relaxed),
            subnet,
            replicas: (1..).take(replicas).collect(),
            cuts: BTreeMap::new(),
            uncounted: None,
        };
        // What was made until an error goes when it is dropped.
        network
            .make()
            .map_err(|error| LocalError::Failed(format!("cannot make the network: {error}")))?;
        let mut namespaces = network.replicas.iter().map(|id| network.namespace(*id));
        network.uncounted = namespaces.try_for_each(|name| filter::make(&name)).err();
        Ok((network, addresses))
    }

    /// A command that runs `program` where that replica is. Its process is the one that is
    /// started: `ip` becomes the program.
    pub(super) fn command_inside(&self, id: NodeId, program: &Path) -> Command {
        let mut command = Command::new(tools::IP);
        command.args(["netns", "exec", &self.namespace(id)]);
        command.arg(program);
        command
    }

    /// Cuts a link, or mends it. What `from` sends to `to` vanishes, acknowledgements included,
    /// so what `to` sends on its own connections gets stuck, too; or it is answered by a reset.
    pub(super) fn set_link(
        &mut self,
        from: NodeId,
        to: NodeId,
        fault: LinkFault,
    ) -> Result<(), LocalError> {
        let cut_only = LinkFault {
            cut: fault.cut,
            ..LinkFault::default()
        };
        if fault != cut_only {
            let text = "links between network namespaces can only be cut";
            return Err(LocalError::Failed(text.to_owned()));
        }
        let before = self.cuts.get(&(from, to)).copied();
        if before == fault.cut {
            return Ok(());
        }
        self.note(from, to, fault.cut);
        self.change(from, to, before, fault.cut).map_err(|error| {
            self.note(from, to, before);
            LocalError::Failed(format!("cannot set the link from {from} to {to}: {error}"))
        })
    }

    fn note(&mut self, from: NodeId, to: NodeId, cut: Option<LinkCut>) {
        match cut {
            Some(cut) => self.cuts.insert((from, to), cut),
            None => self.cuts.remove(&(from, to)),
        };
    }

    fn change(
        &self,
        from: NodeId,
        to: NodeId,
        before: Option<LinkCut>,
        now: Option<LinkCut>,
    ) -> Result<(), String> {
        if let Some(why) = &self.uncounted {
            let (namespace, to) = (self.namespace(from), self.subnet.replica(to));
            return match now {
                Some(LinkCut::Silent) => neighbours::let_vanish(&namespace, to),
                Some(LinkCut::Reset) => Err(format!("connections are reset by nft: {why}")),
                None => neighbours::let_through(&namespace, to),
            };
        }
        for cut in [before, now].into_iter().flatten() {
            self.filter(match cut {
                LinkCut::Silent => to,
                LinkCut::Reset => from,
            })?;
        }
        Ok(())
    }

    /// Makes a replica's filter what the cuts make of it.
    fn filter(&self, id: NodeId) -> Result<(), String> {
        let cuts = || self.cuts.iter();
        let vanishes = cuts().filter(|((_, to), cut)| *to == id && **cut == LinkCut::Silent);
        let refused = cuts().filter(|((from, _), cut)| *from == id && **cut == LinkCut::Reset);
        let vanishes: Vec<_> = vanishes
            .map(|((from, _), _)| self.subnet.replica(*from))
            .collect();
        let refused: Vec<_> = refused
            .map(|((_, to), _)| self.subnet.replica(*to))
            .collect();
        filter::set(&self.namespace(id), &vanishes, &refused)
    }

    /// Whether somebody counts what meets a cut.
    pub(super) fn counts_cuts(&self) -> bool {
        self.uncounted.is_none()
    }

    /// The packets that met a cut so far; all zeros where nobody counts.
    pub(super) fn counts(&self) -> Result<LinkCounts, LocalError> {
        let mut counts = LinkCounts::default();
        if !self.counts_cuts() {
            return Ok(counts);
        }
        for id in &self.replicas {
            let met = filter::read(&self.namespace(*id)).map_err(|error| {
                LocalError::Failed(format!("cannot read what replica {id}'s cuts met: {error}"))
            })?;
            counts.dropped_by_cuts += met.vanished;
            counts.broken += met.refused;
        }
        Ok(counts)
    }

    /// Mends all links; those that can be when one cannot, whose error is the first then.
    pub(super) fn clear_links(&mut self) -> Result<(), LocalError> {
        let cut: Vec<_> = self.cuts.keys().copied().collect();
        let mended = cut
            .into_iter()
            .map(|(from, to)| self.set_link(from, to, LinkFault::default()));
        mended.fold(Ok(()), Result::and)
    }

    fn make(&self) -> Result<(), String> {
        let (hub, host) = (self.hub(), self.host());
        let prefix = Subnet::PREFIX_BITS;
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "bridge", "up"])?;
        ip(&[
            "link", "add", &host, "type", "veth", "peer", "name", "host", "netns", &hub,
        ])?;
        ip(&["-n", &hub, "link", "set", "host", "master", "bridge", "up"])?;
        let address = format!("{}/{prefix}", self.subnet.launcher());
        ip(&["address", "add", &address, "dev", &host])?;
        ip(&["link", "set", &host, "up"])?;
        for id in &self.replicas {
            let (namespace, port) = (self.namespace(*id), format!("r{id}"));
            ip(&["netns", "add", &namespace])?;
            ip(&[
                "-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns",
                &namespace,
            ])?;
            ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
            let address = format!("{}/{prefix}", self.subnet.replica(*id));
            ip(&["-n", &namespace, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
        }
        Ok(())
    }

    fn hub(&self) -> String {
        format!("{PREFIX}{}-{}-hub", std::process::id(), self.number)
    }

    fn namespace(&self, id: NodeId) -> String {
        format!("{PREFIX}{}-{}-{id}", std::process::id(), self.number)
    }

    fn host(&self) -> String {
        host(std::process::id(), self.number)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // With one end of a pair the other one goes, with a namespace all that is in it. There
        // is nobody to tell of an error: most likely it was never made.
        let _ = ip(&["link", "del", &self.host()]);
        for id in &self.replicas {
            let _ = ip(&["netns", "del", &self.namespace(*id)]);
        }
        let _ = ip(&["netns", "del", &self.hub()]);
    }
}

/// Where a replica listens.
fn addresses(subnet: &Subnet, id: NodeId) -> Addresses {
    let address: Ipv4Addr = subnet.replica(id);
    Addresses {
        listen: SocketAddr::from((address, PORT)),
        peer_listen: SocketAddr::from((address, PORT + PEER_PORT_OFFSET)),
    }
}

/// Removes the namespaces of launchers that are gone, with the interfaces in them.
fn remove_stale() {
    let Ok(list) = tools::read(&["netns", "list"]) else {
        return;
    };
    let names = list.lines().filter_map(|line| line.split(' ').next());
    for name in names {
        let Some(Name { launcher, number }) = Name::parse(name) else {
            continue;
        };
        if process::is_gone(launcher) {
            // It would go with the hub, but a little later, and its route is in the way.
            let _ = ip(&["link", "del", &host(launcher, number)]);
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// The launcher's interface: at most 15 characters.
fn host(launcher: u32, number: u32) -> String {
    format!("tg{launcher}n{number}")
}

/// What the name of a namespace of ours tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    launcher: u32,
    number: u32,
}

impl Name {
    fn parse(name: &str) -> Option<Name> {
        let mut parts = name.strip_prefix(PREFIX)?.split('-');
        let (launcher, number) = (parts.next()?, parts.next()?);
        let whose = parts.next()?;
        (!whose.is_empty() && parts.next().is_none()).then_some(Name {
            launcher: launcher.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_made_them() {
        let ours = Name {
            launcher: 17,
            number: 4,
        };
        assert_eq!(Name::parse("telegraft-17-4-hub"), Some(ours));
        assert_eq!(Name::parse("telegraft-17-4-3"), Some(ours));
        assert_eq!(Name::parse("telegraft-x-0-1"), None);
        assert_eq!(Name::parse("telegraft-17-4"), None);
        assert_eq!(Name::parse("telegraft-17-4-3-1"), None);
        assert_eq!(Name::parse("another-17-4-3"), None);
    }

    #[test]
    fn the_longest_name_of_an_interface_is_short_enough() {
        // The largest process id, and more networks than one process makes.
        assert!(host(1 << 22, 99_999).len() <= 15);
    }
}
