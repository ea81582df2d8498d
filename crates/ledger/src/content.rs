//! The content of a webhook's body: gzip (RFC 1952) is inflated, a byte order mark left out. Signatures, fingerprints
//! and evidence cover the bytes themselves, never the content.

use std::io::Read;
use std::ops::Deref;

use flate2::read::MultiGzDecoder;

use secret::Wiped;

/// The longest body accepted, in bytes, both as received and inflated.
pub const MAX_BODY: usize = 1024 * 1024;

/// The first bytes of gzip; no JSON begins so.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A body's content.
pub enum Content<'b> {
    /// The body itself, without a byte order mark.
    Plain(&'b [u8]),
    /// The body inflated.
    Inflated(Wiped<Vec<u8>>),
}

impl Deref for Content<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => without_mark(bytes),
            Self::Inflated(bytes) => without_mark(bytes),
        }
    }
}

/// A body that is longer than [`MAX_BODY`] once it is inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is longer than 1 MiB once it is inflated")]
pub struct TooLong;

/// The content of a body. A body that begins like gzip but is not gzip is its own content.
///
/// # Errors
/// [`TooLong`].
pub fn of(body: &[u8]) -> Result<Content<'_>, TooLong> {
    Ok(inflated(body)?.map_or(Content::Plain(body), Content::Inflated))
}

/// The body inflated; none if it is not gzip.
///
/// # Errors
/// [`TooLong`].
pub fn inflated(body: &[u8]) -> Result<Option<Wiped<Vec<u8>>>, TooLong> {
    if !body.starts_with(&GZIP) {
        return Ok(None);
    }
    let mut bytes = Wiped::new(Vec::new());
    let read = MultiGzDecoder::new(body)
        .take(MAX_BODY as u64 + 1)
        .read_to_end(&mut bytes);
    match read {
        Ok(length) if length > MAX_BODY => Err(TooLong),
        Ok(_) => Ok(Some(bytes)),
        Err(_) => Ok(None),
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn content_is_inflated_and_has_no_mark() {
        let json = b"{\"a\":1}".as_slice();
        let marked = [BYTE_ORDER_MARK, json].concat();
        for body in [
            json.to_vec(),
            marked.clone(),
            gzip(json),
            gzip(&marked),
            [gzip(b"{\"a\""), gzip(b":1}")].concat(),
        ] {
            assert_eq!(&**of(&body).as_ref().expect("short"), json);
        }
    }

    #[test]
    fn what_is_cut_or_only_begins_as_gzip_is_left_as_it_is() {
        let whole = gzip(&[b'x'; 1000]);
        for body in [&whole[..whole.len() - 1], b"\x1f\x8b", b"\x1f\x8bjunk"] {
            assert_eq!(&**of(body).as_ref().expect("short"), body);
        }
    }

    #[test]
    fn inflating_ends_at_a_mebibyte() {
        assert_eq!(of(&gzip(&vec![0; MAX_BODY])).expect("short").len(), MAX_BODY);
        assert_eq!(of(&gzip(&vec![0; MAX_BODY + 1])).err(), Some(TooLong));
        assert_eq!(of(&gzip(&vec![0; 64 * MAX_BODY])).err(), Some(TooLong));
    }
}
