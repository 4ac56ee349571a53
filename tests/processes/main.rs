//! Clusters of real processes: they start, crash, lose pieces of their logs, run out of disk and
//! are shouted at, and what they acknowledged is there.

mod bench;
mod chat;
mod cli;
mod crashes;
mod damage;
mod disk_full;
mod harness;
mod identity;
mod orphans;
mod peers;
mod sync_fails;
