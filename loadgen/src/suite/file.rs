//! Reading and writing the files.

use super::{Overrides, Suite, SuiteError};

/// Reads a suite, built in or a file, and its workloads, and applies the overrides.
///
/// # Errors
/// What is wrong, with file and line.
#[allow(clippy::todo, reason = "comes next")]
pub fn load(name: &str, overrides: &Overrides) -> Result<Suite, SuiteError> {
    let _ = (name, overrides);
    todo!()
}

/// The suite as one file, enough to run it again; `nonce` is noted in it.
#[allow(clippy::todo, reason = "comes next")]
pub fn resolved_text(suite: &Suite, nonce: &str) -> String {
    let _ = (suite, nonce);
    todo!()
}

/// Values as people write them, for serde.
#[allow(clippy::todo, dead_code, reason = "comes next")]
pub(super) mod de {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub(crate) fn duration<'de, D: Deserializer<'de>>(_: D) -> Result<Duration, D::Error> {
        todo!()
    }
    pub(crate) fn clients<'de, D: Deserializer<'de>>(_: D) -> Result<usize, D::Error> {
        todo!()
    }
    pub(crate) fn message_bytes<'de, D: Deserializer<'de>>(_: D) -> Result<usize, D::Error> {
        todo!()
    }
    pub(crate) fn population<'de, D: Deserializer<'de>>(_: D) -> Result<usize, D::Error> {
        todo!()
    }
    pub(crate) fn prefill<'de, D: Deserializer<'de>>(_: D) -> Result<usize, D::Error> {
        todo!()
    }
    pub(crate) fn weight<'de, D: Deserializer<'de>>(_: D) -> Result<u32, D::Error> {
        todo!()
    }
    pub(crate) fn limit<'de, D: Deserializer<'de>>(_: D) -> Result<usize, D::Error> {
        todo!()
    }
    pub(crate) fn plain<S: Serializer>(_: &usize, _: S) -> Result<S::Ok, S::Error> {
        todo!()
    }
    pub(crate) fn as_text<S: Serializer>(_: &Duration, _: S) -> Result<S::Ok, S::Error> {
        todo!()
    }
}
