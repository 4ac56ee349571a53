//! Files with mistakes at random: an error with a line, or a workload, and never a panic.

use std::fs;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use telegraft_loadgen::suite::{self, Overrides, SuiteError};

use super::shipped;

/// How often every file is broken.
const SEEDS: u64 = 50;

/// What files are broken with.
const PIECES: [&str; 24] = [
    "",
    " ",
    "\n",
    "=",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "#",
    "-",
    "0",
    "9999999999999999999999",
    "nan",
    "inf",
    "-1",
    "1e400",
    "true",
    "\u{2028}",
    "[x]\n",
    "\"1h\"",
];

fn broken(text: &str, rng: &mut StdRng) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..rng.random_range(1..4) {
        let nth = rng.random_range(0..lines.len());
        let other = lines[rng.random_range(0..lines.len())].clone();
        let piece = PIECES[rng.random_range(0..PIECES.len())];
        let line = &mut lines[nth];
        let ends: Vec<usize> = (0..=line.len())
            .filter(|at| line.is_char_boundary(*at))
            .collect();
        let mut place = || ends[rng.random_range(0..ends.len())];
        let (a, b) = (place(), place());
        match rng.random_range(0..6) {
            // Something is inserted, replaced, given another value, or whole lines are
            // exchanged, doubled or lost.
            0 => line.insert_str(a, piece),
            1 => line.replace_range(a.min(b)..a.max(b), piece),
            2 => {
                if let Some(at) = line.find('=') {
                    line.replace_range(at + 1.., piece);
                }
            }
            3 => *line = other,
            4 => line.push_str(&format!("\n{other}")),
            _ => line.clear(),
        }
    }
    lines.join("\n")
}

#[test]
fn mistakes_at_random_are_errors_with_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.toml");
    let name = path.to_str().unwrap();
    let (mut fine, mut refused) = (0, 0);
    for seed in 0..SEEDS {
        let mut rng = StdRng::seed_from_u64(seed);
        for text in shipped() {
            let text = broken(&text, &mut rng);
            fs::write(&path, &text).unwrap();
            for loaded in [
                suite::load_workload(name, &Overrides::default()).map(drop),
                suite::load(name, &Overrides::default()).map(drop),
            ] {
                match loaded {
                    Ok(()) => fine += 1,
                    Err(SuiteError::Wrong { line, message, .. }) => {
                        assert!(
                            (1..=text.lines().count() + 1).contains(&line),
                            "seed {seed}: {line}"
                        );
                        assert!(!message.is_empty(), "seed {seed}: {text}");
                        refused += 1;
                    }
                    Err(error) => panic!("seed {seed}: {error}\n{text}"),
                }
            }
        }
    }
    assert!(
        fine > 0 && refused > fine / 4,
        "{fine} fine, {refused} refused"
    );
}
