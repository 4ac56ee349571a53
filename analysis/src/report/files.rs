//! The files that a report consists of.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use telegraft_loadgen::results::{ResultDir, ResultsError};

use super::document::Document;
use super::html::html;
use super::table;
use crate::plots::SVG_CLASS;

/// Where the tables are, one file each.
const TABLES: &str = "tables";

/// Where the plots are, one file each.
const PLOTS: &str = "plots";

/// The names of all tables that a report can have, whatever its results are.
const TABLE_NAMES: [&str; 26] = [
    "configurations",
    "consistency",
    "directories",
    "efficiency",
    "environment",
    "every-run",
    "failover",
    "find-max",
    "latency",
    "latency-typical",
    "open-loop",
    "original",
    "read-modes",
    "replicas",
    "service-time",
    "settings",
    "shards",
    "slos",
    "stages",
    "stress-faults",
    "stress-operations",
    "stress-runs",
    "stress-staleness",
    "stress-violations",
    "throughput",
    "validity",
];

/// The endings of a table's files.
const TABLE_ENDINGS: [&str; 3] = ["md", "tex", "csv"];

/// Bytes of an SVG file in which it tells whose it is.
const SVG_HEAD: u64 = 512;

/// Writes `report.md`, `report.html`, `tables/` and `plots/` into `out`, which is made if it is
/// absent. Each file is written as a whole. Tables and plots that an earlier report left there
/// and this one has not, are removed; files of others stay.
///
/// # Errors
/// When a directory cannot be made, or a file not be written or removed.
pub(super) fn write(document: &Document, markdown: &str, out: &Path) -> Result<(), ResultsError> {
    let directory = |path: PathBuf| {
        let made = fs::create_dir_all(&path);
        made.map_err(|source| ResultsError::Io {
            action: "make",
            path: path.clone(),
            source,
        })?;
        ResultDir::open(&path)
    };
    let mut written: BTreeSet<PathBuf> = BTreeSet::new();
    let figures = document.figures();
    if !figures.is_empty() {
        let plots = directory(out.join(PLOTS))?;
        for figure in figures {
            let name = format!("{}.svg", figure.name);
            plots.write(&name, figure.svg.as_bytes())?;
            written.insert(Path::new(PLOTS).join(name));
        }
    }
    let tables = document.tables();
    if !tables.is_empty() {
        let directory = directory(out.join(TABLES))?;
        for table in tables {
            debug_assert!(
                TABLE_NAMES.contains(&table.name),
                "{} is no known table",
                table.name
            );
            for (name, content) in table::files(table) {
                directory.write(&name, content.as_bytes())?;
                written.insert(Path::new(TABLES).join(name));
            }
        }
    }
    // Behind these, so that what it names is there.
    let directory = directory(out.to_owned())?;
    directory.write("report.html", html(document).as_bytes())?;
    directory.write("report.md", markdown.as_bytes())?;
    // And now nothing names what is old.
    for (place, is_ours) in [(TABLES, is_table as IsOurs), (PLOTS, is_plot as IsOurs)] {
        remove_others(out, place, &written, is_ours).map_err(|(path, source)| {
            ResultsError::Io {
                action: "remove what an earlier report left in",
                path,
                source,
            }
        })?;
    }
    Ok(())
}

/// Whether this program has written a file.
type IsOurs = fn(&Path) -> bool;

/// Removes what is ours in the directory `place` of `out` and is not among `written`.
fn remove_others(
    out: &Path,
    place: &str,
    written: &BTreeSet<PathBuf>,
    is_ours: IsOurs,
) -> Result<(), (PathBuf, io::Error)> {
    let directory = out.join(place);
    // It need not be there.
    let Ok(entries) = fs::read_dir(&directory) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let known = written.contains(&Path::new(place).join(entry.file_name()));
        if file && !known && is_ours(&entry.path()) {
            fs::remove_file(entry.path()).map_err(|error| (directory.clone(), error))?;
        }
    }
    Ok(())
}

/// By its name.
fn is_table(path: &Path) -> bool {
    let part =
        |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).map(str::to_owned);
    let (stem, ending) = (part(path.file_stem()), part(path.extension()));
    stem.is_some_and(|stem| TABLE_NAMES.contains(&stem.as_str()))
        && ending.is_some_and(|ending| TABLE_ENDINGS.contains(&ending.as_str()))
}

/// By the class of its first element.
fn is_plot(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SVG_HEAD).read_to_end(&mut head));
    let head = String::from_utf8_lossy(&head);
    let first = head.split('>').next().unwrap_or_default();
    path.extension().is_some_and(|ending| ending == "svg")
        && read.is_ok()
        && first.starts_with("<svg ")
        && first.contains(&format!("class=\"{SVG_CLASS}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::{Heading, replicas};
    use crate::report::document::{Figure, Section};
    use crate::report::table::{Cell, Column, Table};
    use crate::report::text::Text;

    fn document(table: &'static str, plot: &str) -> Document {
        let mut section = Section::new("results", "Results");
        let mut of = Table::new(table, Text::default(), &[Column::text("a", "a")]);
        of.row(vec![Cell::text("b")]);
        section.table(of);
        let plot = replicas::draw(&replicas::Replicas {
            heading: Heading {
                name: plot.to_owned(),
                title: String::new(),
            },
            ..Default::default()
        });
        section.figures(vec![Figure {
            name: plot.name,
            title: plot.title,
            alt: plot.alt,
            caption: Text::default(),
            svg: plot.svg,
        }]);
        Document {
            title: String::new(),
            lead: Vec::new(),
            sections: vec![section],
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("it is there");
        let name = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.expect("it can be read");
            entry.file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn what_an_earlier_report_left_is_removed_and_nothing_else() {
        let out = tempfile::tempdir().expect("there is a place");
        let (tables, plots) = (out.path().join(TABLES), out.path().join(PLOTS));
        write(&document("slos", "old"), "", out.path()).expect("it can be written");
        assert_eq!(names(&tables), ["slos.csv", "slos.md", "slos.tex"]);
        for foreign in ["slos.txt", "mine.csv", "latency.md.orig"] {
            fs::write(tables.join(foreign), "mine").expect("it can be written");
        }
        for foreign in ["mine.svg", "old.png"] {
            fs::write(plots.join(foreign), "<svg class=\"mine\"/>").expect("it can be written");
        }
        fs::create_dir(tables.join("stages.csv")).expect("it can be made");
        write(&document("latency", "new"), "", out.path()).expect("it can be written");
        let expected = [
            "latency.csv",
            "latency.md",
            "latency.md.orig",
            "latency.tex",
            "mine.csv",
            "slos.txt",
            "stages.csv",
        ];
        assert_eq!(names(&tables), expected);
        assert_eq!(names(&plots), ["mine.svg", "new.svg", "old.png"]);
    }
}
