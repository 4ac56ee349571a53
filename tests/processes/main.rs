//! Clusters of real processes: they start, crash, lose pieces of their logs, run out of disk and
//! are shouted at, and what they acknowledged is there. And the commands that load them.

mod bench;
mod chat;
mod check;
mod cli;
mod compare;
mod crashes;
mod damage;
mod disk_full;
mod divergence;
mod failover;
mod fault_links;
mod find_max;
mod harness;
mod identity;
mod idle_connections;
mod launched;
mod load;
mod namespaces;
mod orphans;
mod overload;
mod peers;
mod preload;
mod replay;
mod report;
mod resume;
mod runs;
mod shards;
mod small_disks;
mod stress;
mod sync_fails;
mod sync_hangs;
