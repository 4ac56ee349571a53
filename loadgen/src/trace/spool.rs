//! Steps on the disk, until they are merged: fixed-size records in a file for each load thread.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::plan::{Kind, Step};

/// Bytes of a step: when it is due, user, room, size, kind, page.
const RECORD_BYTES: usize = 8 + 3 * 4 + 2;

/// Kinds by their number in a record.
const KINDS: [Kind; 5] = [
    Kind::Send,
    Kind::Read,
    Kind::Inbox,
    Kind::Join,
    Kind::CreateRoom,
];

/// The steps of one load thread.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    /// Where it was made, for errors.
    path: PathBuf,
    steps: u64,
    /// Kept, so that writing needs no memory.
    bytes: Vec<u8>,
}

impl Spool {
    /// Makes the file `<target>.part-<nth>` and takes its name away at once: the system removes
    /// it with its last handle, however the process ends.
    pub(super) fn create(target: &Path, nth: usize) -> io::Result<Spool> {
        let mut path = target.as_os_str().to_owned();
        path.push(format!(".part-{nth}"));
        let path = PathBuf::from(path);
        remove(&path)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        remove(&path)?;
        Ok(Spool {
            file,
            path,
            steps: 0,
            bytes: Vec::new(),
        })
    }

    /// Where it was made.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many steps are in it.
    pub(super) fn len(&self) -> u64 {
        self.steps
    }

    /// Puts steps behind the others.
    pub(super) fn append(&mut self, steps: &[Step]) -> io::Result<()> {
        encode(steps, &mut self.bytes);
        self.file.write_all(&self.bytes)?;
        self.steps += steps.len() as u64;
        Ok(())
    }

    /// Reads as many steps as `out` has room for, from the `first` on.
    pub(super) fn read(&self, first: u64, count: usize, out: &mut Vec<Step>) -> io::Result<()> {
        let mut bytes = vec![0; count * RECORD_BYTES];
        self.file
            .read_exact_at(&mut bytes, first * RECORD_BYTES as u64)?;
        out.clear();
        out.extend(bytes.chunks_exact(RECORD_BYTES).map(decode));
        Ok(())
    }

    /// Writes steps over the ones that are there, from the `first` on.
    pub(super) fn overwrite(&mut self, first: u64, steps: &[Step]) -> io::Result<()> {
        encode(steps, &mut self.bytes);
        self.file
            .write_all_at(&self.bytes, first * RECORD_BYTES as u64)
    }
}

/// Removes a file that may be there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn encode(steps: &[Step], out: &mut Vec<u8>) {
    out.clear();
    for step in steps {
        out.extend_from_slice(&step.due_ns.to_le_bytes());
        for number in [step.user, step.room, step.size] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let kind = KINDS.iter().position(|kind| *kind == step.kind);
        let kind = kind.expect("every kind is there");
        out.push(u8::try_from(kind).expect("there are few"));
        out.push(u8::from(step.latest));
    }
}

fn decode(record: &[u8]) -> Step {
    let number = |at: usize| {
        let bytes = record[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes)
    };
    Step {
        due_ns: u64::from_le_bytes(record[..8].try_into().expect("eight bytes")),
        user: number(8),
        room: number(12),
        size: number(16),
        kind: KINDS[usize::from(record[20])],
        latest: record[21] == 1,
    }
}
