//! Reads what `telegraft stress` leaves of its runs: `verdict/<run_id>.json`, and a picture of each
//! violation, `verdict/<run_id>.<n>.svg`, n from 1.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use telegraft_loadgen::results::{Problem, ResultsError, SCHEMA_VERSION};
use telegraft_loadgen::stress::StressVerdict;

use super::{Directory, problem, regular};
use crate::stress::{Picture, Stress};

/// Where they are.
const PLACE: &str = "verdict";

/// The most of a verdict that is read, in bytes: a few violations with their lines.
const MAX_BYTES: u64 = 16 << 20;

/// The most of a picture.
const MAX_PICTURE_BYTES: u64 = 1 << 20;

/// Files in the directory that are looked at.
const MAX_FILES: usize = 10_000;

/// Every run that is a stress run by its row, and every one that has a verdict.
pub(super) fn read(data: &mut Directory) -> Vec<Stress> {
    let names = names(data);
    let stressed = data.runs.iter().filter(|run| run.is_stress());
    let mut ids: Vec<String> = Vec::new();
    for run in stressed {
        let id = &run.any().run_id;
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    for id in names.iter().filter_map(|name| name.strip_suffix(".json")) {
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
            data.problems.push(Problem {
                file: "runs.csv".to_owned(),
                line: None,
                reason: format!(
                    "{id} has a verdict ({PLACE}/{id}.json) and no row here: its rates and \
                     latencies are in no table"
                ),
            });
        }
    }
    let found = ids.into_iter().map(|run_id| {
        let verdict = verdict(data.dir.path(), &run_id);
        let verdict = verdict.map_err(|problem| data.problems.push(problem)).ok();
        Stress {
            name: run_id.clone(),
            source: 0,
            verdict,
            pictures: pictures(data, &run_id, &names),
            run_id,
        }
    });
    found.collect()
}

/// What is in the directory, in order.
fn names(data: &mut Directory) -> Vec<String> {
    let entries = match fs::read_dir(data.dir.path().join(PLACE)) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                data.problems.push(Problem {
                    file: PLACE.to_owned(),
                    line: None,
                    reason: format!("cannot read it: {error}"),
                });
            }
            return Vec::new();
        }
    };
    let names = entries.flatten().take(MAX_FILES);
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn verdict(directory: &Path, run_id: &str) -> Result<StressVerdict, Problem> {
    let file = format!("{PLACE}/{run_id}.json");
    let wrong = |line: Option<u64>, reason: String| Problem {
        file: file.clone(),
        line,
        reason,
    };
    let text = text(directory, &file, MAX_BYTES)?;
    let bad = |error: serde_json::Error| {
        let line = u64::try_from(error.line()).ok().filter(|line| *line > 0);
        wrong(line, error.to_string())
    };
    let json: serde_json::Value = serde_json::from_str(&text).map_err(bad)?;
    let version = json
        .get("schema_version")
        .and_then(serde_json::Value::as_u64);
    if let Some(version) = version.filter(|version| *version > u64::from(SCHEMA_VERSION)) {
        return Err(problem(ResultsError::Newer {
            file,
            line: 1,
            found: version.to_string(),
        }));
    }
    // From the text, so that an error has its line.
    let verdict: StressVerdict = serde_json::from_str(&text).map_err(bad)?;
    match verdict.run_id == run_id {
        true => Ok(verdict),
        false => Err(wrong(
            None,
            format!("it is the verdict of another run, {:?}", verdict.run_id),
        )),
    }
}

/// The pictures of a run's violations that can be read.
fn pictures(data: &mut Directory, run_id: &str, names: &[String]) -> Vec<Picture> {
    let nth = |name: &str| -> Option<usize> {
        let rest = name.strip_prefix(run_id)?.strip_prefix('.')?;
        rest.strip_suffix(".svg")?.parse().ok()
    };
    let mut pictures = Vec::new();
    for (name, nth) in names.iter().filter_map(|name| Some((name, nth(name)?))) {
        let file = format!("{PLACE}/{name}");
        let picture = text(data.dir.path(), &file, MAX_PICTURE_BYTES).and_then(|svg| {
            let is_one = nth > 0 && svg.contains("<svg");
            is_one.then_some(svg).ok_or_else(|| Problem {
                file: file.clone(),
                line: None,
                reason: "it is no picture of a violation".to_owned(),
            })
        });
        match picture {
            Ok(svg) => pictures.push(Picture {
                file,
                nth: nth - 1,
                svg,
            }),
            Err(problem) => data.problems.push(problem),
        }
    }
    pictures.sort_by_key(|picture| picture.nth);
    pictures
}

fn text(directory: &Path, file: &str, most: u64) -> Result<String, Problem> {
    regular(directory, file, most)?;
    fs::read_to_string(directory.join(file)).map_err(|error| Problem {
        file: file.to_owned(),
        line: None,
        reason: match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::InvalidData => "it is no text in UTF-8".to_owned(),
            _ => format!("cannot read it: {error}"),
        },
    })
}
