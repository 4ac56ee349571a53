//! How a replica is started.

use std::process::Command;

use super::namespaces::Network;
use super::{LocalOptions, Member, System};
use crate::log::Durability;
use crate::node::Mailbox;

/// The command that starts `member`, one of `members`.
pub(super) fn command(
    options: &LocalOptions,
    members: &[Member],
    member: &Member,
    network: Option<&Network>,
) -> Command {
    let id = member.replica.id;
    let mut command = match network {
        Some(network) => network.command_inside(id, &options.binary),
        None => Command::new(&options.binary),
    };
    let listen = member.place.listen.to_string();
    match options.system {
        System::Null => {
            command.args(["null", "--listen", &listen]);
        }
        System::Telegraft => {
            let peers: Vec<String> = members
                .iter()
                .map(|member| format!("{}={}", member.replica.id, member.replica.peer))
                .collect();
            let durability = match options.durability {
                Durability::Fsync => "fsync",
                Durability::None => "none",
            };
            let mailbox = match options.mailbox {
                Mailbox::Lanes => "lanes",
                Mailbox::Fifo => "fifo",
            };
            command
                .args(["node", "--id", &id.to_string()])
                .args(["--listen", &listen])
                .args(["--peer-listen", &member.place.peer_listen.to_string()])
                .args(["--peers", &peers.join(",")])
                // Counts for a directory that is empty; one that was lost is refused by
                // the peers.
                .arg("--bootstrap")
                .args(["--durability", durability])
                .args(["--mailbox", mailbox])
                .arg("--data-dir")
                .arg(&member.replica.data_dir);
            if let Some(bytes) = options.segment_bytes {
                command.args(["--segment-bytes", &bytes.to_string()]);
            }
            if network.is_some() {
                // Nobody but this machine reaches the namespaces.
                command.arg("--insecure");
            }
        }
    }
    command.arg("--exit-with-parent");
    command
}
