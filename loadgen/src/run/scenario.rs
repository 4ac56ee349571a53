//! A workload with everything that follows from it and the seed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Run;
use crate::client::Client;
use crate::engine::Work;
use crate::plan::{ClientPlan, Drawn, Kind, Mix, People, Rate, Source, Timeline};
use crate::suite::{Arrival, Popularity, Spacing, Stage, Think, Workload};
use crate::trace::Trace;

/// Rooms in the lists of all clients of a closed loop, four bytes each.
const MAX_LISTED: usize = 10_000_000;

/// A workload, its population and its recording.
#[derive(Clone, Debug)]
pub struct Scenario {
    workload: Workload,
    people: Arc<People>,
    trace: Option<Arc<Trace>>,
    kinds: Vec<Kind>,
}

/// Names of users and rooms in a recording.
#[derive(Clone, Debug)]
pub struct Names(Option<Arc<Trace>>);

impl Names {
    /// The name of a user.
    pub fn user(&self, user: u32) -> Cow<'_, str> {
        match &self.0 {
            Some(trace) => Cow::Borrowed(&trace.users[user as usize]),
            None => Cow::Owned(format!("user-{user}")),
        }
    }

    /// The name of a room.
    pub fn room(&self, room: u32) -> Cow<'_, str> {
        match &self.0 {
            Some(trace) => Cow::Borrowed(&trace.rooms[room as usize]),
            None => Cow::Owned(format!("room-{room}")),
        }
    }
}

impl Scenario {
    /// The recording that a workload replays, if it does.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read_trace(workload: &Workload) -> Result<Option<Arc<Trace>>, String> {
        let Arrival::Trace { file, .. } = &workload.arrival else {
            return Ok(None);
        };
        let trace = Trace::read(file).map_err(|error| error.to_string())?;
        Ok(Some(Arc::new(trace)))
    }

    /// What `workload` is with `seed`. Of one that replays, `trace` is the recording.
    ///
    /// # Errors
    /// When a distribution cannot be drawn from.
    pub fn new(workload: Workload, seed: u64, trace: Option<Arc<Trace>>) -> Result<Self, String> {
        let lists = workload.connections() * workload.population.rooms;
        let latest = matches!(workload.population.popularity, Popularity::Latest(_));
        if latest && workload.is_closed() && lists > MAX_LISTED {
            return Err(format!(
                "workload {}: with popularity \"latest\", every client of a closed loop keeps a list \
                 of all rooms, and {} clients × {} rooms are more than {MAX_LISTED}: take fewer, or \
                 an open arrival",
                workload.name,
                workload.connections(),
                workload.population.rooms
            ));
        }
        let (people, kinds) = match &trace {
            Some(trace) => {
                let rooms = trace.rooms.len();
                let kinds: BTreeSet<Kind> = trace.steps.iter().map(|step| step.kind).collect();
                let people = People::from_memberships(trace.memberships(), rooms, 0);
                (people, kinds.into_iter().collect())
            }
            None => (People::new(&workload.population, seed)?, workload.kinds()),
        };
        Ok(Scenario {
            workload,
            people: Arc::new(people),
            trace,
            kinds,
        })
    }

    /// The workload.
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    /// Who is there.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    /// The recording.
    pub fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// The kinds of operations.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Names for a recording.
    pub fn names(&self) -> Names {
        Names(self.trace.clone())
    }

    /// How long it is by itself: of a recording, until just after its last operation.
    pub fn length(&self) -> Option<Duration> {
        let Arrival::Trace { speed, .. } = &self.workload.arrival else {
            return None;
        };
        let last = self.trace.as_ref()?.steps.last()?;
        let length = Duration::from_nanos(last.due_ns).div_f64(*speed);
        Some(length + Duration::from_millis(1))
    }

    /// What the clients of one machine do.
    pub(super) fn work(&self, run: &Run, clients: &[Client]) -> Result<Work, String> {
        if let Arrival::Closed { think, .. } = self.workload.arrival {
            let mix = Mix::new(&self.workload, &self.people)?;
            let of = self.workload.connections();
            let plan = |client: &Client| {
                let number = client.number() as usize;
                ClientPlan::new(run.seed, number, of, think, mix.clone())
            };
            return Ok(Work::Closed(clients.iter().map(plan).collect()));
        }
        let timeline = self.timeline(run.seed, run.warmup, run.duration)?;
        Ok(Work::Open(timeline.of_machine(run.share)))
    }

    /// Everything that is due in a run of an open workload.
    ///
    /// # Errors
    /// When a distribution cannot be drawn from.
    pub fn timeline(
        &self,
        seed: u64,
        warmup: Duration,
        duration: Duration,
    ) -> Result<Timeline, String> {
        let end_ns = u64::try_from((warmup + duration).as_nanos()).expect("runs are bounded");
        let source = match (&self.workload.arrival, &self.trace) {
            (Arrival::Trace { speed, .. }, Some(trace)) => Source::Recorded {
                trace: Arc::clone(trace),
                speed: *speed,
            },
            (
                Arrival::Open {
                    spacing, stages, ..
                },
                _,
            ) => self.drawn(seed, *spacing, stages, warmup)?,
            _ => return Err("a closed loop has no set times".to_owned()),
        };
        Ok(Timeline::new(source, end_ns))
    }

    fn drawn(
        &self,
        seed: u64,
        spacing: Spacing,
        stages: &[Stage],
        warmup: Duration,
    ) -> Result<Source, String> {
        let mix = Mix::new(&self.workload, &self.people)?;
        let rate = Rate::new(stages, warmup);
        let polling = self.workload.polling.as_ref();
        let drawn = Drawn::new(seed, spacing, rate, mix, polling);
        Ok(Source::Drawn(Box::new(drawn)))
    }

    /// The plan of one client of a closed workload.
    ///
    /// # Errors
    /// When a distribution cannot be drawn from.
    pub fn client_plan(&self, seed: u64, client: usize) -> Result<ClientPlan, String> {
        let think = match self.workload.arrival {
            Arrival::Closed { think, .. } => think,
            _ => Think::None,
        };
        let mix = Mix::new(&self.workload, &self.people)?;
        let of = self.workload.connections();
        Ok(ClientPlan::new(seed, client, of, think, mix))
    }

    /// Operations a second that are expected to be due; none in a closed loop.
    pub fn offered_per_s(&self, warmup: Duration, duration: Duration) -> Option<f64> {
        let seconds = duration.as_secs_f64();
        match (&self.workload.arrival, &self.trace) {
            (Arrival::Open { stages, .. }, _) => {
                let from = warmup.as_secs_f64();
                let arrivals = Rate::new(stages, warmup).expected(from, from + seconds);
                let polls = self.workload.polling.map_or(0.0, |polling| {
                    let users = polling.users.unwrap_or(self.people.users());
                    users.min(self.people.users()) as f64 / polling.every.as_secs_f64()
                });
                Some(arrivals / seconds + polls)
            }
            (Arrival::Trace { speed, .. }, Some(trace)) => {
                let at = |moment: Duration| {
                    let nanos = moment.mul_f64(*speed).as_nanos();
                    let before = |step: &crate::plan::Step| u128::from(step.due_ns) < nanos;
                    trace.steps.partition_point(before) as f64
                };
                Some((at(warmup + duration) - at(warmup)) / seconds)
            }
            _ => None,
        }
    }
}
