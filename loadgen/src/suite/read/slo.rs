//! `[slo.…]`: what the run must reach.

use std::collections::BTreeMap;

use crate::plan::Kind;
use crate::suite::bounds::{MAX_DURATION, MAX_RATE, MIN_RATE};
use crate::suite::document::{Item, Wrong};
use crate::suite::workload::{Arrival, Slo, Workload};

/// All operations together.
const ALL: &str = "all";

pub(super) fn slo(item: &Item<'_>, workload: &Workload) -> Result<BTreeMap<String, Slo>, Wrong> {
    const FORM: &str = "tables by operation, as [slo.send] with response_p99 = \"20ms\"";
    let table = item.table(FORM)?;
    let mut known = vec![ALL];
    known.extend(Kind::ALL.map(Kind::name));
    table.only(&known)?;
    let here: Vec<&str> = match workload.arrival {
        // Which ones a recording has shows when it is read.
        Arrival::Trace { .. } => known.clone(),
        _ => workload.kinds().into_iter().map(Kind::name).collect(),
    };
    let mut slos = BTreeMap::new();
    for (name, item) in table.items() {
        if name != ALL && !here.contains(&name) {
            return Err(item.wrong(format!(
                "[slo.{name}] asks for what this workload does not do: it does {}",
                here.join(", ")
            )));
        }
        slos.insert(name.to_owned(), one(&item)?);
    }
    if slos.is_empty() {
        return Err(item.wrong(format!("[slo] is empty: it takes {FORM}")));
    }
    Ok(slos)
}

fn one(item: &Item<'_>) -> Result<Slo, Wrong> {
    let table = item.table("a table, as [slo.send] with response_p99 = \"20ms\"")?;
    let mut known: Vec<&str> = Slo::default().responses().map(|(name, _)| name).into();
    known.extend(["failed", "ok_per_s"]);
    table.only(&known)?;
    let response = |key| match table.get(key) {
        // A microsecond is the finest that is recorded.
        Some(item) => {
            let finest = std::time::Duration::from_micros(1);
            item.duration(finest..=MAX_DURATION).map(Some)
        }
        None => Ok(None),
    };
    let slo = Slo {
        response_p50: response("response_p50")?,
        response_p90: response("response_p90")?,
        response_p95: response("response_p95")?,
        response_p99: response("response_p99")?,
        response_p999: response("response_p999")?,
        response_max: response("response_max")?,
        failed: match table.get("failed") {
            Some(item) => Some(item.share()?),
            None => None,
        },
        ok_per_s: match table.get("ok_per_s") {
            Some(item) => Some(item.number(MIN_RATE..=MAX_RATE, " a second")?),
            None => None,
        },
    };
    if slo == Slo::default() {
        return Err(table.wrong(format!("an SLO names at least one of {}", known.join(", "))));
    }
    let rising = slo.responses();
    let given = rising
        .iter()
        .filter_map(|(name, time)| Some((*name, (*time)?)));
    for ((lower, shorter), (higher, longer)) in given.clone().zip(given.skip(1)) {
        if shorter > longer {
            let item = table.get(lower).expect("it was read");
            return Err(item.wrong(format!(
                "{lower} may not be above {higher}: no run meets the second without the first"
            )));
        }
    }
    Ok(slo)
}
