//! Where files come from.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::SuiteError;
use super::document::Wrong;

/// The suites that every binary carries, so that it works from anywhere.
pub(super) const SUITES: [(&str, &str); 5] = [
    ("default", include_str!("../../../workloads/default.toml")),
    ("replicas", include_str!("../../../workloads/replicas.toml")),
    ("full", include_str!("../../../workloads/full.toml")),
    ("failover", include_str!("../../../workloads/failover.toml")),
    ("original", include_str!("../../../workloads/original.toml")),
];

/// The workloads that every binary carries.
pub(super) const WORKLOADS: [(&str, &str); 7] = [
    (
        "write-heavy",
        include_str!("../../../workloads/write-heavy.toml"),
    ),
    (
        "read-heavy",
        include_str!("../../../workloads/read-heavy.toml"),
    ),
    (
        "send-only",
        include_str!("../../../workloads/send-only.toml"),
    ),
    (
        "read-only",
        include_str!("../../../workloads/read-only.toml"),
    ),
    ("chat", include_str!("../../../workloads/chat.toml")),
    ("hot-room", include_str!("../../../workloads/hot-room.toml")),
    ("burst", include_str!("../../../workloads/burst.toml")),
];

/// Of a file: the longest that people write has some ten KiB; what is longer is something else.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A file's text, and what messages call it.
pub(super) struct Source {
    /// The path, or `built-in workloads/default.toml`.
    pub(super) origin: String,
    /// The name without its ending.
    pub(super) name: String,
    /// Where names in it are looked for first; nowhere, for what is built in.
    pub(super) directory: Option<PathBuf>,
    text: String,
}

impl Source {
    /// `name` is a file, or `<name>.toml` in `directory`, or built in.
    pub(super) fn find(
        what: &'static str,
        name: &str,
        directory: Option<&Path>,
        built_in: &[&[(&'static str, &'static str)]],
    ) -> Result<Source, SuiteError> {
        let path = if name.contains('/') || name.ends_with(".toml") {
            Some(directory.map_or_else(|| PathBuf::from(name), |dir| dir.join(name)))
        } else {
            let sibling = directory.map(|dir| dir.join(format!("{name}.toml")));
            sibling.filter(|path| path.is_file())
        };
        if let Some(path) = path.filter(|path| path.exists()) {
            return Source::read(&path);
        }
        let mut built_in = built_in.iter().copied().flatten();
        if let Some((name, text)) = built_in.clone().find(|(known, _)| *known == name) {
            return Ok(Source {
                origin: format!("built-in workloads/{name}.toml"),
                name: (*name).to_owned(),
                directory: None,
                text: (*text).to_owned(),
            });
        }
        Err(SuiteError::NotFound {
            what,
            name: name.to_owned(),
            known: built_in
                .by_ref()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        })
    }

    fn read(path: &Path) -> Result<Source, SuiteError> {
        let unreadable = |reason: &dyn std::fmt::Display| SuiteError::Unreadable {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        // Opening a pipe would wait for its writer.
        if !path.is_file() {
            return Err(unreadable(&"it is no file"));
        }
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&error))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let message = format!("it is longer than {MAX_FILE_BYTES} bytes, so it is no workload");
            return Err(unreadable(&message));
        }
        let origin = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            SuiteError::Wrong {
                origin: origin.clone(),
                line: line(error.as_bytes(), at),
                message: "this is not UTF-8, which TOML is written in".to_owned(),
            }
        })?;
        let stem = path.file_stem().unwrap_or_default();
        Ok(Source {
            origin,
            name: stem.to_string_lossy().into_owned(),
            directory: Some(path.parent().map_or_else(PathBuf::new, Path::to_owned)),
            text,
        })
    }

    /// The text as a tree.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, SuiteError> {
        DeTable::parse(&self.text).map_err(|error| {
            self.wrong(Wrong {
                at: error.span().map_or(0, |span| span.start),
                message: format!("this is not TOML: {}", error.message()),
            })
        })
    }

    /// The error for what is wrong in it.
    pub(super) fn wrong(&self, wrong: Wrong) -> SuiteError {
        SuiteError::Wrong {
            origin: self.origin.clone(),
            line: line(self.text.as_bytes(), wrong.at),
            message: wrong.message,
        }
    }

    /// The error for what is wrong at a byte of it.
    pub(super) fn wrong_at(&self, at: usize, message: impl Into<String>) -> SuiteError {
        let message = message.into();
        self.wrong(Wrong { at, message })
    }

    /// The error for what is wrong with it as a whole.
    pub(super) fn refused(&self, message: impl Into<String>) -> SuiteError {
        self.wrong_at(0, message)
    }
}

/// The line of a byte, from 1.
fn line(text: &[u8], at: usize) -> usize {
    1 + text.iter().take(at).filter(|byte| **byte == b'\n').count()
}
