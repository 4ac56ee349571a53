//! Plans as a whole: populations, mixes, timelines and their shares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::suite::{
    self, Arrival, Inbox, Operations, Polling, Popularity, Population, Read, ReadPage, Spacing,
    Stage, Weight, Workload,
};

const SEED: u64 = 11;

fn population(users: usize, rooms: usize, each: usize, sizes: Popularity) -> Population {
    Population {
        users,
        rooms,
        rooms_per_user: each,
        room_sizes: sizes,
        popularity: Popularity::Uniform,
        prefill: 3,
    }
}

fn workload() -> Workload {
    Workload {
        name: "planned".to_owned(),
        description: String::new(),
        consistency: telegraft_cluster::http::Consistency::Linearizable,
        targets: suite::Targets::Leader,
        message_bytes: suite::Sizes::Uniform(40, 80),
        max_errors: None,
        population: population(12, 6, 2, Popularity::Uniform),
        arrival: Arrival::Open {
            connections: 4,
            spacing: Spacing::Poisson,
            stages: Vec::new(),
        },
        operations: Operations {
            sequence: Vec::new(),
            send: Some(Weight { weight: 5 }),
            read: Some(Read {
                weight: 3,
                page: ReadPage::Latest,
                limit: 20,
            }),
            inbox: Some(Inbox {
                weight: 1,
                limit: 30,
            }),
            join: Some(Weight { weight: 1 }),
            create_room: None,
        },
        polling: None,
        slo: BTreeMap::new(),
        faults: Vec::new(),
    }
}

fn mix(workload: &Workload) -> Mix {
    let people = People::new(&workload.population, SEED).expect("a population");
    Mix::new(workload, &Arc::new(people)).expect("a mix")
}

fn stage(rate: f64, to: Option<f64>, seconds: u64) -> Stage {
    Stage {
        rate,
        to,
        length: Some(Duration::from_secs(seconds)),
    }
}

fn timeline(workload: &Workload, spacing: Spacing, stages: &[Stage], seconds: u64) -> Timeline {
    let rate = Rate::new(stages, Duration::ZERO);
    let polling = workload.polling.as_ref();
    let drawn = Drawn::new(SEED, spacing, rate, mix(workload), polling);
    Timeline::new(Source::Drawn(Box::new(drawn)), seconds * 1_000_000_000)
}

/// 900 arrivals and 200 polls in two seconds.
fn busy() -> Timeline {
    let mut workload = workload();
    workload.polling = Some(Polling {
        every: Duration::from_millis(100),
        users: Some(10),
        limit: 7,
    });
    let stages = [stage(300.0, Some(600.0), 2)];
    timeline(&workload, Spacing::Poisson, &stages, 2)
}

#[test]
fn memberships_are_as_many_as_asked_for_and_no_room_is_empty() {
    let zipf = Popularity::Zipf(1.2);
    let hot = Popularity::Hot {
        rooms: 2,
        share: 0.9,
    };
    // The last ones: more rooms than users have between them but for those that are dealt out,
    // and users who are in every room.
    for (users, rooms, each) in [(40, 12, 3), (7, 7, 1), (5, 10, 2), (9, 4, 4)] {
        for sizes in [Popularity::Uniform, zipf, hot] {
            let asked = population(users, rooms, each, sizes);
            let people = People::new(&asked, SEED).expect("a population");
            assert_eq!((people.users(), people.rooms()), (users, rooms));
            assert_eq!(people.prefill(), 3);
            let mut pairs = 0;
            for user in 0..u32::try_from(users).expect("few") {
                let own = people.rooms_of(user);
                assert_eq!(own.len(), each, "{asked:?}: user {user}");
                assert!(own.is_sorted_by(|a, b| a < b), "each once, in order");
                let known = |room: &u32| people.members_of(*room).contains(&user);
                assert!(own.iter().all(known), "{asked:?}: user {user}");
            }
            for room in 0..u32::try_from(rooms).expect("few") {
                let members = people.members_of(room);
                assert!(!members.is_empty(), "{asked:?}: room {room}");
                assert!(members.is_sorted_by(|a, b| a < b), "each once, in order");
                assert!(members.contains(&people.creator(room)));
                pairs += members.len();
            }
            assert_eq!(pairs, users * each, "{asked:?}");
            assert_eq!(people, People::new(&asked, SEED).expect("the same"));
        }
    }
}

#[test]
fn room_sizes_are_as_asked_for() {
    let sizes = |sizes| {
        let asked = population(1_000, 50, 2, sizes);
        let people = People::new(&asked, SEED).expect("a population");
        let size = |room| people.members_of(room).len();
        (0..50).map(size).collect::<Vec<usize>>()
    };
    assert!(sizes(Popularity::Uniform).iter().all(|size| *size == 40));
    let zipf = sizes(Popularity::Zipf(1.0));
    assert!(zipf[0] > 4 * zipf[20], "{zipf:?}");
    let hot = sizes(Popularity::Hot {
        rooms: 2,
        share: 0.8,
    });
    assert!(hot[..2].iter().all(|size| *size > 500), "{hot:?}");
    assert!(hot[2..].iter().all(|size| *size < 100), "{hot:?}");
}

#[test]
fn a_room_of_a_recording_without_a_member_gets_the_first_user() {
    let people = People::from_memberships(vec![vec![3, 0, 3], vec![], vec![0]], 4, 0);
    assert_eq!(people.rooms_of(0), [0, 1, 2, 3]);
    assert!(people.rooms_of(1).is_empty());
    assert_eq!(people.members_of(0), [0, 2]);
    assert_eq!((people.creator(0), people.creator(2)), (0, 0));
}

#[test]
fn weights_and_shares_are_kept() {
    let mut workload = workload();
    workload.population = population(60, 20, 3, Popularity::Uniform);
    workload.population.popularity = Popularity::Hot {
        rooms: 2,
        share: 0.7,
    };
    let mut mix = mix(&workload);
    let people = Arc::clone(mix.people());
    let count = 20_000;
    let mut kinds = [0.0; Kind::ALL.len()];
    let (mut in_rooms, mut in_hot) = (0.0, 0.0);
    for nth in 0..count {
        let step = mix.drawn(nth, &mut crate::draw::Draws::new(SEED, 99, nth));
        assert_eq!(step.due_ns, nth);
        kinds[step.kind.index()] += 1.0;
        let (sizes, latest, in_room) = match step.kind {
            Kind::Send => (40..=80, false, true),
            Kind::Read => (20..=20, true, true),
            Kind::Inbox => (30..=30, false, false),
            Kind::Join => (0..=0, false, true),
            Kind::CreateRoom => panic!("there are none"),
        };
        assert!(sizes.contains(&step.size), "{step:?}");
        assert_eq!(step.latest, latest, "{step:?}");
        assert_eq!(step.room != NO_ROOM, in_room, "{step:?}");
        if in_room {
            in_rooms += 1.0;
            in_hot += f64::from(u8::from(step.room < 2));
        }
        if matches!(step.kind, Kind::Send | Kind::Read) {
            assert!(people.members_of(step.room).contains(&step.user));
        }
    }
    // 20 000 draws: a share is within five standard deviations, which are at most 0.0036.
    let near = |share: f64, of: f64| assert!((share - of).abs() < 0.018, "{share} is not {of}");
    for (kind, share) in [0.5, 0.3, 0.1, 0.1, 0.0].into_iter().enumerate() {
        near(kinds[kind] / count as f64, share);
    }
    near(in_hot / in_rooms, 0.7);
}

#[test]
fn every_user_who_is_online_polls_at_a_time_of_its_own() {
    let every = Duration::from_millis(250);
    let mut workload = workload();
    workload.polling = Some(Polling {
        every,
        users: Some(9),
        limit: 7,
    });
    let polls = timeline(&workload, Spacing::Poisson, &[stage(0.0, None, 3)], 3);
    let mut times: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for step in polls {
        assert_eq!((step.kind, step.room, step.size), (Kind::Inbox, NO_ROOM, 7));
        times.entry(step.user).or_default().push(step.due_ns);
    }
    assert_eq!(
        times.keys().copied().collect::<Vec<_>>(),
        Vec::from_iter(0..9)
    );
    let mut phases: Vec<u64> = Vec::new();
    for (user, times) in times {
        assert_eq!(times.len(), 12, "user {user}: {times:?}");
        assert!(u128::from(times[0]) < every.as_nanos());
        let apart = |pair: &[u64]| u128::from(pair[1] - pair[0]) == every.as_nanos();
        assert!(times.windows(2).all(apart), "user {user}: {times:?}");
        phases.push(times[0]);
    }
    phases.sort_unstable();
    phases.dedup();
    assert_eq!(phases.len(), 9, "not all at once");

    // More than there are: all of them.
    workload.polling.as_mut().expect("it polls").users = Some(100);
    let polls = timeline(&workload, Spacing::Poisson, &[stage(0.0, None, 3)], 3);
    assert_eq!(polls.count(), 12 * 12);
}

#[test]
fn a_sequence_alternates_for_each_user() {
    let sequence = vec![Kind::Send, Kind::Inbox, Kind::Send, Kind::Read];
    let mut workload = workload();
    workload.operations.sequence = sequence.clone();
    let people = People::new(&workload.population, SEED).expect("a population");
    let check = |user: u32, kinds: &[Kind]| {
        assert!(kinds.len() >= 6, "user {user}: {kinds:?}");
        let due = sequence.iter().cycle();
        assert!(kinds.iter().zip(due).all(|(kind, due)| kind == due));
    };
    let mut kinds: BTreeMap<u32, Vec<Kind>> = BTreeMap::new();
    let stages = [stage(100.0, None, 1)];
    for step in timeline(&workload, Spacing::Constant, &stages, 1) {
        kinds.entry(step.user).or_default().push(step.kind);
        if step.room != NO_ROOM {
            assert!(people.rooms_of(step.user).contains(&step.room));
        }
    }
    assert_eq!(kinds.len(), 12);
    for (user, kinds) in kinds {
        check(user, &kinds);
    }

    // In a closed loop each client has users of its own, whom it serves one after the other.
    let think = suite::Think::None;
    for client in 0..5 {
        let mut plan = ClientPlan::new(SEED, client, 5, think, mix(&workload));
        let mut kinds: BTreeMap<u32, Vec<Kind>> = BTreeMap::new();
        for nth in 0..96 {
            let step = plan.next(nth);
            assert_eq!(step.user as usize % 5, client);
            kinds.entry(step.user).or_default().push(step.kind);
        }
        assert_eq!(kinds.len(), (client..12).step_by(5).len());
        for (user, kinds) in kinds {
            check(user, &kinds);
        }
    }
    // With more clients than users, some act for the same one.
    let mut plan = ClientPlan::new(SEED, 15, 20, think, mix(&workload));
    let users: Vec<u32> = (0..8).map(|nth| plan.next(nth).user).collect();
    assert_eq!(users, [3; 8]);
}

#[test]
fn a_client_thinks_as_long_as_it_should() {
    use crate::suite::Think;
    let ms = Duration::from_millis;
    let thoughts = |think| {
        let mut plan = ClientPlan::new(SEED, 3, 5, think, mix(&workload()));
        let thoughts = (0..2_000).map(|nth| {
            let thought = plan.think();
            assert_eq!(thought, plan.think(), "asking twice changes nothing");
            plan.next(nth);
            thought
        });
        thoughts.collect::<Vec<Duration>>()
    };
    let mean = |thoughts: &[Duration]| thoughts.iter().sum::<Duration>().as_secs_f64() / 2.0;
    assert!(thoughts(Think::None).iter().all(Duration::is_zero));
    assert!(thoughts(Think::Fixed(ms(3))).iter().all(|it| *it == ms(3)));
    let even = thoughts(Think::Uniform(ms(2), ms(6)));
    assert!(even.iter().all(|it| (ms(2)..=ms(6)).contains(it)));
    assert!((mean(&even) - 4.0).abs() < 0.2, "{}", mean(&even));
    let exponential = thoughts(Think::Exponential(ms(4)));
    assert!((mean(&exponential) - 4.0).abs() < 0.5);
    assert!(exponential.iter().any(|it| *it > ms(12)));
}

#[test]
fn arrivals_and_polls_come_in_the_order_of_time_and_twice_the_same() {
    let whole: Vec<Step> = busy().collect();
    assert!(whole.is_sorted_by_key(|step| step.due_ns));
    assert!(whole.iter().all(|step| step.due_ns < 2_000_000_000));
    let polls = whole.iter().filter(|step| step.size == 7).count();
    assert_eq!(polls, 10 * 20);
    assert!((700..1_100).contains(&(whole.len() - polls)));

    let mut first = busy();
    assert_eq!(first.by_ref().take(300).collect::<Vec<_>>(), whole[..300]);
    assert_eq!(first.due_ns(), Some(whole[300].due_ns));
    let copy = first.clone();
    assert_eq!(first.collect::<Vec<_>>(), whole[300..]);
    assert_eq!(copy.collect::<Vec<_>>(), whole[300..]);
}

#[test]
fn shares_of_machines_and_threads_are_disjoint_and_complete() {
    let whole: Vec<Step> = busy().collect();
    for of in [1, 2, 3, 7] {
        let mut machines = Vec::new();
        for nth in 0..of {
            let machine = busy().of_machine(Share { nth, of });
            let own: Vec<Step> = machine.clone().collect();
            assert!(own.iter().all(|step| step.user % of == nth));
            let mut threads: Vec<(usize, Step)> = Vec::new();
            for thread in 0..3 {
                let part = machine.of_thread(Share { nth: thread, of: 3 });
                assert_eq!(part.due_ns(), part.clone().next().map(|step| step.due_ns));
                let places = (thread as usize..).step_by(3);
                threads.extend(places.zip(part));
            }
            threads.sort_by_key(|(place, _)| *place);
            let threads: Vec<Step> = threads.into_iter().map(|(_, step)| step).collect();
            assert_eq!(threads, own, "operation by operation");
            machines.extend(own);
        }
        // Two operations of one moment belong to different users, or stay in order.
        machines.sort_by_key(|step| (step.due_ns, step.user));
        let mut all = whole.clone();
        all.sort_by_key(|step| (step.due_ns, step.user));
        assert_eq!(machines, all, "of {of}");
    }
    let more_than_users = busy().of_machine(Share { nth: 12, of: 13 });
    assert_eq!(more_than_users.count(), 0);
}

#[test]
fn a_change_of_rate_keeps_the_counts() {
    let workload = workload();
    // 400, 2400 on the way up, none, 600.
    let stages = [
        stage(200.0, None, 2),
        stage(200.0, Some(1_000.0), 4),
        stage(0.0, None, 3),
        stage(600.0, None, 1),
    ];
    let expected = [400.0, 2_400.0, 0.0, 600.0];
    let ends = [2.0, 6.0, 9.0, 10.0].map(|end| end * 1e9);
    for spacing in [Spacing::Constant, Spacing::Poisson] {
        let mut counts = [0.0; 4];
        for step in timeline(&workload, spacing, &stages, 10) {
            let within = |end: &f64| (step.due_ns as f64) < *end;
            counts[ends.iter().position(within).expect("ten seconds")] += 1.0;
        }
        for (count, expected) in counts.iter().zip(expected) {
            let bound = match spacing {
                Spacing::Constant => 1.0,
                // Five standard deviations.
                Spacing::Poisson => 5.0 * f64::sqrt(expected),
            };
            assert!(
                (count - expected).abs() <= bound,
                "{spacing:?}: {counts:?} instead of {expected:?}"
            );
        }
    }
}
