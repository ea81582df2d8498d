//! JSON (RFC 8259) piece by piece, compact. It may be plaintext, so it is written straight to its destination.

use aggregates::moment::MomentText;
use jiff::Timestamp;

use super::Text;

/// Whether a text can be written to JSON unescaped.
pub(super) fn needs_no_escapes(text: &str) -> bool {
    // no early exit: so it is vectorised
    text.bytes().fold(true, |plain, byte| {
        plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')
    })
}

/// Receives the output. False if it refuses the bytes.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]) -> bool;
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> bool {
        self.extend_from_slice(bytes);
        true
    }
}

/// Only counts the bytes.
pub(super) struct Length(pub(super) usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) -> bool {
        self.0 += bytes.len();
        true
    }
}

/// The rest of an expected text that is not written yet.
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl Sink for Rest<'_> {
    fn put(&mut self, bytes: &[u8]) -> bool {
        match self.0.strip_prefix(bytes) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

/// Writes one JSON value.
pub(super) struct Json<'s> {
    sink: &'s mut dyn Sink,
    /// Whether a comma precedes the next member or element.
    comma: bool,
    /// False once the sink has refused bytes, or a value needed escapes.
    fits: bool,
}

impl<'s> Json<'s> {
    pub(super) fn into(sink: &'s mut dyn Sink) -> Self {
        Self {
            sink,
            comma: false,
            fits: true,
        }
    }

    /// Whether everything was accepted.
    pub(super) fn fits(&self) -> bool {
        self.fits
    }

    fn put(&mut self, text: &str) {
        self.fits = self.fits && self.sink.put(text.as_bytes());
    }

    fn separate(&mut self) {
        if self.comma {
            self.put(",");
        }
        self.comma = true;
    }

    /// Begins an object or an array.
    pub(super) fn open(&mut self, bracket: &str) {
        self.separate();
        self.put(bracket);
        self.comma = false;
    }

    /// Ends it.
    pub(super) fn close(&mut self, bracket: &str) {
        self.put(bracket);
        self.comma = true;
    }

    /// A member's name, with its quotes and the colon.
    pub(super) fn name(&mut self, name: &'static str) {
        self.separate();
        self.put(name);
        self.comma = false;
    }

    /// A member, if there is one.
    pub(super) fn optional(&mut self, name: &'static str, text: Option<Text<'_>>) {
        if let Some(text) = text {
            self.name(name);
            self.text(text);
        }
    }

    fn text(&mut self, text: Text<'_>) {
        self.separate();
        if text.quoted().is_some() {
            self.put(text.0);
        } else {
            self.put("\"");
            self.put(text.0);
            self.put("\"");
        }
    }

    /// An element.
    pub(super) fn text_or_null(&mut self, text: Option<Text<'_>>) {
        match text {
            Some(text) => self.text(text),
            None => {
                self.separate();
                self.put("null");
            }
        }
    }

    /// A member with a text that must need no escapes, as ids in practice.
    pub(super) fn plain(&mut self, name: &'static str, text: Option<&str>) {
        let Some(text) = text else { return };
        self.fits = self.fits && needs_no_escapes(text);
        self.name(name);
        self.put("\"");
        self.put(text);
        self.put("\"");
        self.comma = true;
    }

    /// A member that is true or false.
    pub(super) fn boolean(&mut self, name: &'static str, value: Option<bool>) {
        let Some(value) = value else { return };
        self.name(name);
        self.put(if value { "true" } else { "false" });
        self.comma = true;
    }

    /// A member with a moment in UTC, in milliseconds.
    pub(super) fn milliseconds(&mut self, name: &'static str, moment: Option<Timestamp>) {
        let Some(moment) = moment else { return };
        self.name(name);
        self.put("\"");
        self.put(&MomentText::with_decimals(moment, 3));
        self.put("\"");
        self.comma = true;
    }
}
