//! The one binary form of integers, bytes and strings that log records, peer frames and
//! chat commands are made of: fixed-width little-endian integers, and byte strings with a
//! 32-bit length before them.

use bytes::{Buf, Bytes};

/// Why bytes could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ended inside the named field.
    #[error("input ends inside {0}")]
    Truncated(&'static str),
    /// The named field holds a value that no encoder writes.
    #[error("{field} has the impossible value {value}")]
    Invalid {
        /// What was being decoded.
        field: &'static str,
        /// The value that was found.
        value: u64,
    },
    /// The named field is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// Bytes are left after the last field.
    #[error("{0} bytes after the last field")]
    Trailing(usize),
}

/// Appends `bytes` to `out`, its length before it.
///
/// # Panics
/// If `bytes` is longer than a `u32` tells: every encoder bounds its fields far below that.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("an encoded field is below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Appends `value` to `out`.
pub fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends `value` to `out`.
pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Takes fields off the front of some bytes; byte strings are slices of the input, not copies.
#[derive(Clone, Debug)]
pub struct Reader {
    input: Bytes,
}

impl Reader {
    /// Reads from the start of `input`.
    pub fn new(input: Bytes) -> Self {
        Reader { input }
    }

    /// Bytes not yet taken.
    pub fn remaining(&self) -> usize {
        self.input.len()
    }

    fn need(&self, bytes: usize, field: &'static str) -> Result<(), DecodeError> {
        if self.input.len() < bytes {
            Err(DecodeError::Truncated(field))
        } else {
            Ok(())
        }
    }

    /// Takes one byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.need(1, field)?;
        Ok(self.input.get_u8())
    }

    /// Takes a byte that is 0 or 1.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::Invalid {
                field,
                value: u64::from(other),
            }),
        }
    }

    /// Takes a 32-bit integer.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.need(4, field)?;
        Ok(self.input.get_u32_le())
    }

    /// Takes a 64-bit integer.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.need(8, field)?;
        Ok(self.input.get_u64_le())
    }

    /// Takes a 128-bit integer.
    pub fn u128(&mut self, field: &'static str) -> Result<u128, DecodeError> {
        self.need(16, field)?;
        Ok(self.input.get_u128_le())
    }

    /// Takes a byte string.
    pub fn bytes(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        let length = self.u32(field)? as usize;
        self.need(length, field)?;
        Ok(self.input.split_to(length))
    }

    /// Takes a UTF-8 string.
    pub fn string(&mut self, field: &'static str) -> Result<String, DecodeError> {
        let bytes = self.bytes(field)?;
        std::str::from_utf8(&bytes)
            .map(str::to_owned)
            .map_err(|_| DecodeError::NotUtf8(field))
    }

    /// Ends the reading: an error if anything is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.input.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing(self.input.len()))
        }
    }
}
