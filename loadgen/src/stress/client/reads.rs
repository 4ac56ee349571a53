//! What a client reads: pages of rooms and inboxes, as fresh as it likes, from one replica at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use telegraft_history::{Completion, Consistency, Op};
use tokio::time::Instant;

use super::{Client, PAGE, READ};
use crate::call::{Request, Tries, Trouble};
use crate::plan::Kind;
use crate::routes::{Place, Routes};
use crate::stress::board::Source;
use crate::stress::pages;

impl Client {
    pub(super) async fn read(&mut self) {
        let world = Arc::clone(&self.world);
        let mut nth = self.draws.place(world.rooms.len());
        let mut consistency = self.consistency();
        let mut min_index = 0;
        if let Some((room, index)) = self.written
            && self.draws.below(3) == 0
        {
            // What one has written one can ask for, also of a replica that lags.
            (nth, min_index) = (room, index);
            consistency = Consistency::Local;
        }
        let room = &world.rooms[nth];
        let known = room.known.load(Ordering::Relaxed);
        let after = match self.draws.below(20) {
            0 => 0,
            1 => known + self.draws.below(PAGE),
            2 => self.draws.below(known + 1),
            _ => known.saturating_sub(self.draws.below(PAGE)),
        };
        let place = self.next_place();
        let limit = u32::try_from(1 + self.draws.below(PAGE)).expect("pages are small");
        let op = Op::Read {
            room: room.id,
            after,
            limit,
            consistency,
            replica: place as u64 + 1,
            min_index,
        };
        let path = pages::read_path(room.id, after, limit, consistency, min_index);
        let answered = self.ask(Kind::Read, op, &path, place, |bytes| {
            pages::read(bytes, &world.nonce)
        });
        if let Some(Completion::Read { values, .. }) = answered.await
            && let Some((seq, _)) = values.last()
        {
            room.learn(*seq);
        }
    }

    pub(super) async fn inbox(&mut self) {
        let world = Arc::clone(&self.world);
        // A few users each, so that their cursors get somewhere.
        let many = world.users.len();
        let nth = (self.number as usize + self.draws.place(2)) % many;
        let user = world.users[nth].id;
        let after = self.cursors.get(&user).copied().unwrap_or(0);
        let place = self.next_place();
        let limit = u32::try_from(1 + self.draws.below(2 * PAGE)).expect("pages are small");
        let consistency = self.consistency();
        let op = Op::Inbox {
            user,
            after,
            limit,
            consistency,
            replica: place as u64 + 1,
        };
        let path = pages::inbox_path(user, after, limit, consistency);
        let answered = self.ask(Kind::Inbox, op, &path, place, |bytes| {
            pages::inbox(bytes, &world.nonce)
        });
        if let Some(Completion::Inbox { cursor, .. }) = answered.await {
            self.cursors.insert(user, cursor);
        }
    }

    /// Asks the replica at `place`, once: a read that failed had no effect.
    async fn ask(
        &mut self,
        kind: Kind,
        op: Op,
        path: &str,
        place: Place,
        parse: impl Fn(&Bytes) -> Result<Completion, String>,
    ) -> Option<Completion> {
        let world = Arc::clone(&self.world);
        let request = Request::get(|routes: &Routes, place: Place| routes.url(place, path));
        self.caller.limits = READ;
        let (mut tries, began) = (Tries::default(), Instant::now());
        let (replica, source) = match &op {
            Op::Inbox { user, replica, .. } => (*replica, Source::Inbox(*user)),
            Op::Read { room, replica, .. } => (*replica, Source::Room(*room)),
            Op::Send { .. } => unreachable!("only reads are asked"),
        };
        let life = world.board.life(replica);
        // What this process of the replica knew when it was asked, it knows.
        let knew = world.board.knew(replica, source, life);
        world.journal.invoke(self.process, &op);
        let answer = tokio::select! {
            biased;
            answer = self.caller.once(&request, place, &mut tries) => Some(answer),
            () = world.stop.stopped() => None,
        };
        let completion = match answer {
            None => Completion::Fail,
            Some(Ok(bytes)) => {
                world.board.answered(replica, source, life);
                parse(&bytes).unwrap_or_else(|why| {
                    world.board.is_wrong(|| format!("{op:?}: {why}"));
                    Completion::Fail
                })
            }
            Some(Err(failed)) => {
                let fresh = !matches!(
                    op,
                    Op::Read {
                        consistency: Consistency::Local,
                        min_index: 0,
                        ..
                    } | Op::Inbox {
                        consistency: Consistency::Local,
                        ..
                    }
                );
                // A replica that was just started may not know of it yet; once it did, it does.
                let fresh = fresh || (knew && world.board.knew(replica, source, life));
                if let Trouble::Status(status) = failed.trouble
                    && (fresh || status != 404)
                    && status < 500
                    && status != 408
                {
                    world
                        .board
                        .is_wrong(|| format!("{op:?} was refused: {failed}"));
                }
                Completion::Fail
            }
        };
        self.done(kind, &op, &completion, began, &tries);
        Some(completion).filter(|completion| *completion != Completion::Fail)
    }

    fn consistency(&mut self) -> Consistency {
        match self.draws.below(10) {
            0..4 => Consistency::Linearizable,
            4..6 => Consistency::Lease,
            _ => Consistency::Local,
        }
    }
}
