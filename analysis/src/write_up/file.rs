//! The file that is refreshed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use super::{Trouble, refresh};
use crate::data::Data;
use crate::{AnalysisError, report};

/// Where a result directory has its plots.
const PLOTS: &str = "plots";

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It says what the results say.
    Same,
    /// It said something else and was written, or would be.
    Changed,
}

/// Why a file was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteUpError {
    /// The results cannot be read.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// The file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its markers are wrong, or it is no text.
    #[error("{}", lines(path, troubles))]
    Markers {
        /// The file.
        path: PathBuf,
        /// At least one.
        troubles: Vec<Trouble>,
    },
}

/// `FILE:LINE: REASON`, a line each.
fn lines(path: &Path, troubles: &[Trouble]) -> String {
    let line = |trouble: &Trouble| format!("{}:{trouble}", path.display());
    troubles
        .iter()
        .map(line)
        .collect::<Vec<String>>()
        .join("\n")
}

/// Refreshes the Markdown file `file` from the result directories `paths`, whose report is in
/// `out`: pictures are linked there. With `check`, it is not written. It is replaced as a whole,
/// or left as it was.
///
/// # Errors
/// When the results or the file cannot be read, when the file cannot be written, and when there
/// is something wrong with a marker, or no picture where it is linked.
pub fn write_up(
    paths: &[PathBuf],
    out: &Path,
    file: &Path,
    check: bool,
) -> Result<Outcome, WriteUpError> {
    let bytes = fs::read(file).map_err(failed("read", file))?;
    let source = String::from_utf8(bytes).map_err(|error| WriteUpError::Markers {
        path: file.to_owned(),
        troubles: vec![not_text(&error)],
    })?;
    let data = Data::read(paths)?;
    let plots = relative(file, &out.join(PLOTS)).map_err(failed("read", file))?;
    let link = |name: &str| {
        let file = format!("{name}.svg");
        match out.join(PLOTS).join(&file).is_file() {
            true => Ok(format!("{}/{}", url(&plots), url(Path::new(&file)))),
            false => Err(format!(
                "there is no {}: `{}` writes it",
                out.join(PLOTS).join(&file).display(),
                command(paths, out)
            )),
        }
    };
    let text = refresh(&source, &report::document(&data), &link);
    let text = text.map_err(|troubles| WriteUpError::Markers {
        path: file.to_owned(),
        troubles,
    })?;
    if text == source {
        return Ok(Outcome::Same);
    }
    if !check {
        replace(file, &text).map_err(failed("write", file))?;
    }
    Ok(Outcome::Changed)
}

/// What writes the report of `paths` into `out`.
fn command(paths: &[PathBuf], out: &Path) -> String {
    let given: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut command = format!("telegraft report {}", given.join(" "));
    if paths.first().is_none_or(|first| first != out) {
        command += &format!(" --out {}", out.display());
    }
    command
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WriteUpError {
    let path = path.to_owned();
    move |source| WriteUpError::Io {
        action,
        path,
        source,
    }
}

fn not_text(error: &std::string::FromUtf8Error) -> Trouble {
    let good = error.as_bytes().get(..error.utf8_error().valid_up_to());
    let lines = good
        .unwrap_or_default()
        .iter()
        .filter(|byte| **byte == b'\n');
    Trouble {
        line: lines.count() + 1,
        reason: "it is no text in UTF-8".to_owned(),
    }
}

/// Writes a file beside it and puts it in its place: readers see the old one or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    // A link stays one.
    let file = file.canonicalize()?;
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let beside = file.with_file_name(name);
    let written = File::create(&beside).and_then(|mut new| {
        new.write_all(text.as_bytes())?;
        new.set_permissions(fs::metadata(&file)?.permissions())?;
        new.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&beside, &file));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

/// The way from a file to a directory, whether that is there or not.
fn relative(file: &Path, to: &Path) -> io::Result<PathBuf> {
    let whole = |path: &Path| path.canonicalize().or_else(|_| absolute(path));
    let from = whole(file)?;
    let to = whole(to)?;
    let from: Vec<Component<'_>> = from.parent().unwrap_or(&from).components().collect();
    let to: Vec<Component<'_>> = to.components().collect();
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[same..].iter().map(|_| Component::ParentDir);
    Ok(up.chain(to[same..].iter().copied()).collect())
}

/// A path of which the last part need not be there, the rest without links.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
            let parent = parent.canonicalize().or_else(|_| absolute(parent))?;
            Ok(parent.join(name))
        }
        _ => Ok(std::env::current_dir()?.join(path)),
    }
}

/// A path in a link. (RFC 3986, section 2.3: what needs no escape.)
fn url(path: &Path) -> String {
    let mut url = String::new();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(char::from(byte));
            }
            other => url += &format!("%{other:02X}"),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_the_file_to_the_plots() {
        let work = tempfile::tempdir().expect("there is a place");
        fs::create_dir_all(work.path().join("docs")).expect("it can be made");
        fs::create_dir_all(work.path().join("results/a b")).expect("it can be made");
        let file = work.path().join("docs/write-up.md");
        fs::write(&file, "").expect("it can be written");
        let way = relative(&file, &work.path().join("results/a b/plots")).expect("both are there");
        assert_eq!(url(&way), "../results/a%20b/plots");
        let beside = relative(&file, &work.path().join("docs/plots")).expect("both are there");
        assert_eq!(url(&beside), "plots");
    }

    #[test]
    fn a_file_is_replaced_whole_or_left() {
        let work = tempfile::tempdir().expect("there is a place");
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/well");
        let file = work.path().join("w.md");
        let run = |check| write_up(std::slice::from_ref(&data), &data, &file, check);
        fs::write(
            &file,
            "a\n<!-- telegraft:table no -->\n<!-- /telegraft -->\n",
        )
        .expect("written");
        let error = run(false).expect_err("there is no such table").to_string();
        assert!(
            error.starts_with(&format!("{}:2: there is no table `no`", file.display())),
            "{error}"
        );
        let figure = "<!-- telegraft:figure throughput-replicas -->\n<!-- /telegraft -->\n";
        fs::write(&file, figure).expect("written");
        let error = run(false).expect_err("there is no plot").to_string();
        let plot = data.join("plots/throughput-replicas.svg");
        assert_eq!(
            error,
            format!(
                "{}:1: there is no {}: `telegraft report {}` writes it",
                file.display(),
                plot.display(),
                data.display()
            )
        );
        let out = work.path().join("out");
        let elsewhere = || write_up(std::slice::from_ref(&data), &out, &file, false);
        let error = elsewhere().expect_err("there is no plot").to_string();
        let told = format!("{} --out {}` writes it", data.display(), out.display());
        assert!(error.ends_with(&told), "{error}");
        fs::create_dir_all(out.join("plots")).expect("it can be made");
        fs::write(out.join("plots/throughput-replicas.svg"), "").expect("written");
        assert_eq!(elsewhere().expect("it is there"), Outcome::Changed);
        let text = fs::read_to_string(&file).expect("it is there");
        assert!(
            text.contains("](out/plots/throughput-replicas.svg)"),
            "{text}"
        );
        fs::remove_dir_all(&out).expect("it can be removed");
        fs::write(&file, b"a\n\xff").expect("written");
        let error = run(false).expect_err("it is no text").to_string();
        assert!(error.ends_with("w.md:2: it is no text in UTF-8"), "{error}");
        fs::write(&file, "no marker\r\n").expect("written");
        assert_eq!(run(true).expect("it is fine"), Outcome::Same);
        replace(&file, "new").expect("it can be");
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "new");
        assert_eq!(fs::read_dir(work.path()).expect("it is there").count(), 1);
    }
}
