//! What a run must have recorded for its consistency to mean anything.

use telegraft_history::{Consistency, Kind, Verdict};

/// What of it is missing in a history of `replicas`, one sentence each: kinds of operations of
/// which none succeeded, and digests that were never compared.
pub(super) fn unchecked(check: &Verdict, replicas: usize) -> Vec<String> {
    let succeeded = |kind: Kind, consistency: Option<Consistency>| {
        let of = check.operations.iter().filter(|of| of.kind == kind);
        let of = of.filter(|of| consistency.is_none() || of.consistency == consistency);
        of.map(|of| of.ok).sum::<u64>()
    };
    let reads = [
        Consistency::Linearizable,
        Consistency::Lease,
        Consistency::Local,
    ];
    let reads = reads.map(|of| (Kind::Read, Some(of), format!("{} read", of.name())));
    let kinds = [(Kind::Send, None, "send".to_owned())]
        .into_iter()
        .chain(reads)
        .chain([(Kind::Inbox, None, "read of an inbox".to_owned())]);
    let mut missing: Vec<String> = kinds
        .filter(|(kind, consistency, _)| succeeded(*kind, *consistency) == 0)
        .map(|(_, _, name)| format!("no {name} succeeded, so none was checked"))
        .collect();
    if replicas > 1 && check.digests_compared == 0 {
        missing.push("no two replicas' digests were compared".to_owned());
    }
    missing
}

#[cfg(test)]
mod tests {
    use telegraft_history::{Completion, History, Op, check};

    use super::*;

    const READS: [Consistency; 3] = [
        Consistency::Linearizable,
        Consistency::Lease,
        Consistency::Local,
    ];

    /// A history in which a message is sent and then read in every way but `without`.
    fn history(without: Option<Consistency>) -> Verdict {
        let mut history = History::new();
        let id = "a".to_owned();
        let send = Op::Send {
            room: 1,
            id: id.clone(),
        };
        let sent = Completion::Sent {
            seq: 1,
            log_index: 5,
            term: 1,
        };
        let read = |consistency| Op::Read {
            room: 1,
            after: 0,
            limit: 9,
            consistency,
            replica: 1,
            min_index: 0,
        };
        let page = Completion::Read {
            values: vec![(1, id.clone())],
            applied_index: 5,
        };
        let inbox = Op::Inbox {
            user: 7,
            after: 0,
            limit: 9,
            consistency: Consistency::Local,
            replica: 1,
        };
        let inboxed = Completion::Inbox {
            values: vec![(1, 1, id)],
            applied_index: 5,
            cursor: 5,
        };
        history.member(0, 1, 7);
        let reads = READS.into_iter().filter(|of| Some(*of) != without);
        let reads = reads.map(|of| (read(of), page.clone()));
        let operations = [(send, sent)].into_iter().chain(reads);
        for (time, (op, completion)) in (1..).zip(operations.chain([(inbox, inboxed)])) {
            history.invoke(2 * time, 0, &op);
            history.complete(2 * time + 1, 0, &op, &completion);
        }
        for replica in [1, 2] {
            history.digest(100, replica, 5, "d1");
        }
        check(&history)
    }

    #[test]
    fn what_was_checked_is_not_missing() {
        let verdict = history(None);
        assert!(verdict.is_consistent(), "{verdict:?}");
        assert_eq!(unchecked(&verdict, 2), Vec::<String>::new());
    }

    #[test]
    fn what_was_not_checked_is_told() {
        let nothing = unchecked(&check(&History::new()), 2);
        assert_eq!(nothing.len(), 6, "{nothing:?}");
        assert_eq!(unchecked(&check(&History::new()), 1).len(), 5);
        let missing = unchecked(&history(Some(Consistency::Lease)), 2);
        assert_eq!(missing, ["no lease read succeeded, so none was checked"]);
    }
}
