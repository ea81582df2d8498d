//! Compression before sealing, with zstd (RFC 8878).

use std::cell::RefCell;

use zstd::zstd_safe::{CCtx, DCtx, compress_bound, get_error_name, get_frame_content_size};

use super::{MAX_PLAIN_BYTES, SealError};
use secret::Wiped;

/// Without entropy coding of literals: half the time of level 1, and on a few kilobytes with a prefix nearly as short.
const LEVEL: i32 = -1;

/// Begins every prefix. zstd treats input that begins with its dictionary magic as a trained dictionary and everything
/// else as text; a prefix has to be treated as text, whatever a sender put there.
const PREFIX_START: u8 = b'\n';

thread_local! {
    // Creating a context costs more than compressing a section. The text of the last section stays in a context's
    // buffers until the next one overwrites it: the thread handles such texts anyway, and nothing prints a context.
    static COMPRESS: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static DECOMPRESS: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// The format of packed bytes: the first byte of a sealed section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Format {
    /// Uncompressed.
    Stored = 0b00,
    /// Bit 0: a zstd frame.
    Compressed = 0b01,
    /// Bit 1: uncompressed, but usable only together with a prefix.
    Bound = 0b10,
    /// Both: a zstd frame that refers to a prefix.
    Prefixed = 0b11,
}

impl Format {
    /// The format of a byte, if this version knows it.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Stored, Self::Compressed, Self::Bound, Self::Prefixed]
            .into_iter()
            .find(|format| *format as u8 == byte)
    }

    /// Whether the exact prefix is needed to open it.
    pub(super) fn has_prefix(self) -> bool {
        matches!(self, Self::Bound | Self::Prefixed)
    }

    fn is_frame(self) -> bool {
        matches!(self, Self::Compressed | Self::Prefixed)
    }
}

/// Bytes ready to be sealed. Plaintext: no `Debug`, wiped when dropped.
pub struct Packed {
    format: Format,
    bytes: Wiped<Vec<u8>>,
    /// The prefix that the bytes refer to; empty unless the format has one.
    prefix: Wiped<Vec<u8>>,
}

impl Packed {
    /// Compresses if that makes it shorter.
    ///
    /// # Errors
    /// [`SealError::TooLong`] beyond [`MAX_PLAIN_BYTES`]; [`SealError::Compression`] if zstd fails.
    pub fn compress(plain: &[u8]) -> Result<Self, SealError> {
        Self::compress_with_prefix(plain, &[])
    }

    /// Stores the bytes uncompressed: for incompressible ones.
    ///
    /// # Errors
    /// [`SealError::TooLong`] beyond [`MAX_PLAIN_BYTES`].
    pub fn stored(plain: &[u8]) -> Result<Self, SealError> {
        Self::as_it_is(Format::Stored, plain, Wiped::default())
    }

    /// Stores the bytes uncompressed, and binds them to a prefix: with another one they cannot be opened. The parts
    /// count as one text.
    ///
    /// # Errors
    /// As [`Self::stored`].
    pub fn stored_with_prefix(plain: &[u8], prefix: &[&[u8]]) -> Result<Self, SealError> {
        Self::as_it_is(Format::Bound, plain, join(prefix))
    }

    fn as_it_is(format: Format, plain: &[u8], prefix: Wiped<Vec<u8>>) -> Result<Self, SealError> {
        if plain.len() > MAX_PLAIN_BYTES {
            return Err(SealError::TooLong(plain.len()));
        }
        Ok(Self {
            format,
            bytes: Wiped::new(plain.to_vec()),
            prefix,
        })
    }

    /// Compresses with a prefix that is also there when it is opened: a text that mostly repeats it gets tiny. The
    /// parts count as one text.
    ///
    /// # Errors
    /// As [`Self::compress`].
    pub fn compress_with_prefix(plain: &[u8], prefix: &[&[u8]]) -> Result<Self, SealError> {
        if plain.len() > MAX_PLAIN_BYTES {
            return Err(SealError::TooLong(plain.len()));
        }
        let prefix = join(prefix);
        let mut frame = Wiped::new(Vec::with_capacity(compress_bound(plain.len())));
        COMPRESS
            .with_borrow_mut(|context| context.compress_using_dict(&mut *frame, plain, &prefix, LEVEL))
            .map_err(|code| SealError::Compression(get_error_name(code)))?;
        if frame.len() >= plain.len() {
            return Self::stored(plain);
        }
        let format = if prefix.is_empty() {
            Format::Compressed
        } else {
            Format::Prefixed
        };
        // copied to its exact length: the buffer has room for the whole plaintext, and webhooks wait in a queue
        Ok(Self {
            format,
            bytes: Wiped::new(frame.to_vec()),
            prefix,
        })
    }

    /// Opened bytes, with the format that was sealed with them.
    pub(super) fn from_parts(format: Format, bytes: Wiped<Vec<u8>>, prefix: Wiped<Vec<u8>>) -> Self {
        Self { format, bytes, prefix }
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Returns the plaintext.
    ///
    /// # Errors
    /// [`SealError::Corrupt`] if it is not exactly one frame with its length, or longer than [`MAX_PLAIN_BYTES`].
    pub(super) fn unpack(mut self) -> Result<Wiped<Vec<u8>>, SealError> {
        if !self.format.is_frame() {
            return Ok(std::mem::take(&mut self.bytes));
        }
        let length = get_frame_content_size(&self.bytes)
            .ok()
            .flatten()
            .ok_or(SealError::Corrupt)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_PLAIN_BYTES);
        let length = length.ok_or(SealError::Corrupt)?;
        // zstd writes no further than the capacity, whatever the frame says
        let mut plain = Wiped::new(Vec::with_capacity(length));
        DECOMPRESS
            .with_borrow_mut(|context| context.decompress_using_dict(&mut *plain, &self.bytes, &self.prefix))
            .map_err(|_| SealError::Corrupt)?;
        if plain.len() == length {
            Ok(plain)
        } else {
            Err(SealError::Corrupt)
        }
    }
}

/// The parts of a prefix as one text; empty if all of them are.
pub(super) fn join(parts: &[&[u8]]) -> Wiped<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut joined = Wiped::new(Vec::new());
    if length > 0 {
        // allocated at once: growing would leave copies of plaintext behind
        joined.reserve_exact(length + 1);
        joined.push(PREFIX_START);
        parts.iter().for_each(|part| joined.extend_from_slice(part));
    }
    joined
}

#[cfg(test)]
mod tests;
