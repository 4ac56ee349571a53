//! Segments made ahead, so that an append does not wait for one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::LogError;
use super::files::remove_if_there;
use crate::env::{Disk, DiskFile};

/// The file that becomes the next segment.
const SPARE: &str = "next.tmp";

/// A file of zeros, or none because the disk is full.
type Prepared = Result<Option<Box<dyn DiskFile>>, LogError>;

/// Makes files for segments.
#[derive(Debug)]
pub(super) struct Allocator {
    maker: Maker,
    background: bool,
    preparing: Option<JoinHandle<Prepared>>,
}

#[derive(Clone, Debug)]
struct Maker {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    segment_bytes: u64,
    sync: bool,
}

/// Whether this only says that the disk is full.
pub(super) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl Maker {
    fn make(&self, bytes: u64) -> Prepared {
        self.discard()?;
        let created = self.disk.create(&self.path).and_then(|file| {
            file.allocate(bytes)?;
            if self.sync {
                file.sync_data()?;
            }
            Ok(file)
        });
        self.unless_full(created)
    }

    /// Makes a file that is there already longer.
    fn extend(&self, file: Box<dyn DiskFile>, bytes: u64) -> Prepared {
        let extended = file.len().and_then(|length| {
            if length < bytes {
                file.allocate(bytes)?;
                if self.sync {
                    file.sync_data()?;
                }
            }
            Ok(file)
        });
        self.unless_full(extended)
    }

    fn unless_full(&self, made: io::Result<Box<dyn DiskFile>>) -> Prepared {
        match made {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_out_of_space(&error) => {
                // What there was of it must not take the last space.
                self.discard()?;
                Ok(None)
            }
            Err(error) => Err(LogError::io("cannot allocate", &self.path)(error)),
        }
    }

    fn discard(&self) -> Result<(), LogError> {
        remove_if_there(self.disk.as_ref(), &self.path)
            .map_err(LogError::io("cannot remove", &self.path))
    }
}

impl Allocator {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes: u64,
        sync: bool,
        background: bool,
    ) -> Self {
        Allocator {
            maker: Maker {
                disk,
                path: dir.join(SPARE),
                segment_bytes,
                sync,
            },
            background,
            preparing: None,
        }
    }

    /// The file that [`Allocator::take`] gives, to be renamed.
    pub(super) fn path(&self) -> &Path {
        &self.maker.path
    }

    /// Begins to make the next one, if that can be done beside the caller.
    pub(super) fn prepare_ahead(&mut self) {
        if self.background && self.preparing.is_none() {
            let maker = self.maker.clone();
            // Without a thread, whoever needs the segment makes it.
            self.preparing = std::thread::Builder::new()
                .name("log-allocator".to_owned())
                .spawn(move || maker.make(maker.segment_bytes))
                .ok();
        }
    }

    /// A file of zeros of at least `bytes`; none when the disk is full.
    pub(super) fn take(&mut self, bytes: u64) -> Prepared {
        let prepared = match self.preparing.take() {
            Some(thread) => thread.join().expect("making a file does not panic")?,
            None => None,
        };
        match prepared {
            Some(file) => self.maker.extend(file, bytes),
            // When there was no space then, there may be now.
            None => self.maker.make(bytes.max(self.maker.segment_bytes)),
        }
    }

    /// Removes a file that did not become a segment.
    pub(super) fn discard(&self) -> Result<(), LogError> {
        self.maker.discard()
    }
}

impl Drop for Allocator {
    fn drop(&mut self) {
        // Whoever opens the directory next must find nobody writing in it.
        if let Some(thread) = self.preparing.take() {
            drop(thread.join());
        }
    }
}
