//! Where a run is done, and what is started there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use telegraft_cluster::local::{LocalOptions, System};
use telegraft_cluster::log::Durability;

use super::plan::{Plan, SEGMENT_BYTES};
use super::{StressError, config};
use crate::bench::{RESULTS, data_directory, new_nonce};
use crate::results::ResultDir;

/// Until a fresh cluster serves.
const READY: Duration = Duration::from_secs(30);

/// A run's places.
pub(super) struct Place {
    pub(super) run_id: String,
    pub(super) nonce: String,
    pub(super) results: ResultDir,
    pub(super) data_dir: PathBuf,
    pub(super) history: PathBuf,
}

/// Makes the result directory and what is known before the run.
pub(super) fn prepare(plan: &Plan) -> Result<Place, StressError> {
    let results = match &plan.job.out {
        Some(path) => ResultDir::create_at(path)?,
        None => ResultDir::create(Path::new(RESULTS), "stress", SystemTime::now())?,
    };
    let data_dir = data_directory(&results, &BTreeSet::new())?;
    let nonce = new_nonce().map_err(|error| StressError::Failed(error.to_string()))?;
    results.write_suite(&config::text(plan, &nonce))?;
    let run_id = format!("telegraft-{}-stress-s{}", plan.job.replicas, plan.seed);
    for name in ["history", "verdict"] {
        let path = results.path().join(name);
        fs::create_dir(&path).map_err(|error| {
            StressError::Failed(format!("cannot make {}: {error}", path.display()))
        })?;
    }
    Ok(Place {
        history: results
            .path()
            .join("history")
            .join(format!("{run_id}.jsonl")),
        run_id,
        nonce,
        results,
        data_dir,
    })
}

pub(super) fn options(plan: &Plan, data_dir: &Path) -> LocalOptions {
    LocalOptions {
        binary: plan.job.binary.clone(),
        system: System::Telegraft,
        replicas: plan.job.replicas,
        data_dir: data_dir.to_owned(),
        base_port: None,
        durability: Durability::Fsync,
        mailbox: plan.job.mailbox,
        ready_timeout: READY,
        links: plan.links(),
        disk: plan.disk(),
        segment_bytes: Some(SEGMENT_BYTES),
    }
}
