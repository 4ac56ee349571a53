//! Reading files piecewise, and replacing them whole.

use std::path::Path;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::LogError;
use crate::env::{Disk, DiskFile};

/// A view of a file that moves along with what is asked for.
#[derive(Debug)]
pub(super) struct Window<'a> {
    file: &'a dyn DiskFile,
    path: &'a Path,
    /// Nothing at or after this offset is read.
    end: u64,
    /// Bytes read at once, at least, where there are so many.
    unit: usize,
    start: u64,
    bytes: Bytes,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, path: &'a Path, end: u64, unit: usize) -> Self {
        Window {
            file,
            path,
            end,
            unit,
            start: 0,
            bytes: Bytes::new(),
        }
    }

    /// Bytes from `offset` to the end.
    pub(super) fn left(&self, offset: u64) -> u64 {
        self.end.saturating_sub(offset)
    }

    /// `length` bytes at `offset`; none when they are not all before the end.
    pub(super) fn get(&mut self, offset: u64, length: usize) -> Result<Option<Bytes>, LogError> {
        let inside = self.fill(offset, length)?;
        Ok(inside.map(|inside| self.bytes.slice(inside..inside + length)))
    }

    /// The same, to be looked at only.
    pub(super) fn peek(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, LogError> {
        let inside = self.fill(offset, length)?;
        Ok(inside.map(|inside| &self.bytes[inside..inside + length]))
    }

    /// Where in the view these bytes are, once they are.
    fn fill(&mut self, offset: u64, length: usize) -> Result<Option<usize>, LogError> {
        if self.left(offset) < length as u64 {
            return Ok(None);
        }
        let inside = offset
            .checked_sub(self.start)
            .and_then(|inside| usize::try_from(inside).ok())
            .filter(|inside| inside.saturating_add(length) <= self.bytes.len());
        if inside.is_some() {
            return Ok(inside);
        }
        let left = usize::try_from(self.left(offset)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; length.max(self.unit).min(left)];
        self.file
            .read_at(offset, &mut buffer)
            .map_err(LogError::io("cannot read", self.path))?;
        self.start = offset;
        self.bytes = buffer.into();
        Ok(Some(0))
    }
}

/// Reads a small file; none when it does not exist.
pub(super) fn read_whole(disk: &dyn Disk, path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(file.len()?).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes)?;
    Ok(Some(bytes))
}

/// Makes `bytes` the content of a file: after a crash it is the old or the new one, and once
/// this returns it is the new one.
pub(super) fn replace(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> std::io::Result<()> {
    let temporary = directory.join(format!("{name}.tmp"));
    remove_if_there(disk, &temporary)?;
    let file = disk.create(&temporary)?;
    file.write_at(0, bytes)?;
    file.sync_data()?;
    disk.rename(&temporary, &directory.join(name))?;
    disk.sync_dir(directory)
}

/// The field of a small file's JSON object that holds the checksum of the others.
const CHECKSUM: &str = "crc32c";

/// The text of a small file: an object's fields, and a checksum of them.
pub(super) fn encode_fields(content: &impl Serialize) -> Vec<u8> {
    let content = serde_json::to_value(content).expect("strings and numbers are JSON");
    let Value::Object(mut fields) = content else {
        panic!("a small file is an object");
    };
    fields.insert(CHECKSUM.to_owned(), checksum(&fields).into());
    serde_json::to_vec_pretty(&fields).expect("a value is JSON")
}

/// What [`encode_fields`] made the text of; else what is wrong with it. (Files of earlier
/// versions have no checksum.)
pub(super) fn decode_fields<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut fields: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if let Some(expected) = fields.remove(CHECKSUM)
        && expected != checksum(&fields)
    {
        return Err("its checksum is wrong".to_owned());
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

/// In hexadecimal; of the fields in the order of their names.
fn checksum(fields: &Map<String, Value>) -> String {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    let crc = sorted.into_iter().fold(0, |crc, (name, value)| {
        let field = format!("{name}={value}\n");
        crc32c::crc32c_append(crc, field.as_bytes())
    });
    format!("{crc:08x}")
}

pub(super) fn remove_if_there(disk: &dyn Disk, path: &Path) -> std::io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
