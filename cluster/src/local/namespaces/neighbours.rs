//! Cuts without nftables: what is for a neighbour goes to an address of nobody. Nothing is counted,
//! and nobody is told.

use std::net::Ipv4Addr;

use super::tools::ip;

/// An address of no interface: what is sent there vanishes.
const NOBODY: &str = "02:00:00:00:00:00";

/// From now on what is sent there from the namespace vanishes.
pub(super) fn let_vanish(namespace: &str, to: Ipv4Addr) -> Result<(), String> {
    ip(&[
        "-n",
        namespace,
        "neighbour",
        "replace",
        &to.to_string(),
        "lladdr",
        NOBODY,
        "dev",
        "eth0",
        "nud",
        "permanent",
    ])
}

/// And now it asks again who that is.
pub(super) fn let_through(namespace: &str, to: Ipv4Addr) -> Result<(), String> {
    ip(&[
        "-n",
        namespace,
        "neighbour",
        "del",
        &to.to_string(),
        "dev",
        "eth0",
    ])
}
