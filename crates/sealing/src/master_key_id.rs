//! The public name of a master key.

use std::fmt;
use std::str::FromStr;

/// Bytes of a master key's id, the prefix of every key it wraps.
pub(super) const ID: usize = 8;
/// The public name of a master key: the start of HMAC-SHA256 under the key over a constant. Reveals nothing about the
/// key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterKeyId(pub(super) [u8; ID]);

impl MasterKeyId {
    /// The id in a wrapped key's prefix; none if it is too short.
    pub fn of_wrapped(wrapped: &[u8]) -> Option<Self> {
        wrapped.first_chunk().copied().map(Self)
    }

    /// The id's 8 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for MasterKeyId {
    /// 16 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A text that is not the id of a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of a master key: 16 hexadecimal digits, as `warmledger keys list` shows them")]
pub struct NotAnId;

impl FromStr for MasterKeyId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut id = [0; ID];
        hex::decode_to_slice(text, &mut id).map_err(|_| NotAnId)?;
        Ok(Self(id))
    }
}
