//! Parts of URIs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An id as a path segment.
pub(crate) fn path_segment(id: &str) -> String {
    utf8_percent_encode(id, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_characters_is_one_segment() {
        assert_eq!(path_segment("WR3N-4.~_"), "WR3N-4.~_");
        assert_eq!(path_segment("a/b?é"), "a%2Fb%3F%C3%A9");
    }
}
