//! `[[faults]]`: what happens to the cluster under load.

use std::time::Duration;

use crate::suite::bounds::{MAX_DURATION, MAX_FAULTS, MIN_DURATION};
use crate::suite::document::{Item, Wrong};
use crate::suite::workload::{Fault, FaultAction, FaultTarget};

pub(in crate::suite) const ACTIONS: [(&str, FaultAction); 3] = [
    ("kill", FaultAction::Kill),
    ("pause", FaultAction::Pause),
    ("restart", FaultAction::Restart),
];

pub(in crate::suite) const TARGETS: [(&str, FaultTarget); 2] = [
    ("leader", FaultTarget::Leader),
    ("follower", FaultTarget::Follower),
];

pub(super) fn faults(item: &Item<'_>) -> Result<Vec<Fault>, Wrong> {
    const FORM: &str = "[[faults]] with at = \"2s\", action = \"kill\" and to = \"leader\"";
    let mut faults = Vec::new();
    for item in item.list(MAX_FAULTS, FORM)? {
        faults.push(fault(&item)?);
    }
    faults.sort_by_key(|fault| fault.at);
    Ok(faults)
}

fn fault(item: &Item<'_>) -> Result<Fault, Wrong> {
    let table = item.table("tables, as [[faults]] with at, action and to")?;
    if let Some(kill) = table.get("kill") {
        return Err(kill.wrong(
            "a fault names its action and whom it happens to: action = \"kill\" and \
             to = \"leader\"",
        ));
    }
    table.only(&["at", "action", "to", "for"])?;
    let at = table.need("at", "at = \"2s\"")?;
    let action = table.need("action", "action = \"kill\"")?;
    let to = table.need("to", "to = \"leader\"")?;
    let fault = Fault {
        at: at.duration(Duration::ZERO..=MAX_DURATION)?,
        action: action.named("action", &ACTIONS)?,
        to: to.named("replica", &TARGETS)?,
        lasts: match table.get("for") {
            Some(item) => Some(item.duration(MIN_DURATION..=MAX_DURATION)?),
            None => None,
        },
    };
    match table.get("for") {
        Some(item) if fault.action == FaultAction::Restart => Err(item.wrong(
            "a restart has no `for`: the replica is started again at once (a kill is, after \
             that time)",
        )),
        _ => Ok(fault),
    }
}
