#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod breaks;
mod case;
mod compare;
mod generate;
mod indexes;
mod porcupine;
mod stateright;
mod story;
mod world;

/// How many small histories each judge gets.
fn histories() -> usize {
    let asked = std::env::var("TELEGRAFT_HISTORIES").ok();
    asked.map_or(2_500, |count| count.parse().expect("a number of histories"))
}

#[test]
fn tmp_judges_agree() {
    use std::collections::BTreeMap;
    let mut c: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let (mut tp, mut ts) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
    for (seed, (kind, case)) in (0..)
        .filter_map(|s| Some((s, compare::made(s)?)))
        .take(histories())
    {
        let t = std::time::Instant::now();
        let p = porcupine::linearizable(&case);
        tp += t.elapsed();
        let t = std::time::Instant::now();
        let s = stateright::linearizable(&case);
        ts += t.elapsed();
        if t.elapsed().as_millis() > 300 {
            println!("{seed} slow {:?}", t.elapsed());
        }
        assert_eq!(p, s, "{seed} {kind} {case:#?}");
        let e = c.entry(kind).or_default();
        e.0 += 1;
        e.1 += u32::from(!p);
    }
    println!("{c:?} {tp:?} {ts:?}");
    let s = world::good(1, world::Size::drawn(1, 3000));
    println!("{} lines {} log", s.lines.len(), s.log.len());
}
