//! The reverse of a spelling: reads JSON in exactly one form, piece by piece.

use memchr::memchr;

use super::super::Text;
use super::super::json::needs_no_escapes;

/// Reads the output of [`Json`](super::Json), in the order in which it was written. Every method returns None for
/// another spelling; reading cannot continue then, except after [`SpellingReader::close`], which leaves the state
/// unchanged.
pub(crate) struct SpellingReader<'a> {
    rest: &'a str,
    /// Whether a comma has to precede the next member or element.
    comma: bool,
}

impl<'a> SpellingReader<'a> {
    pub(crate) fn new(json: &'a str) -> Self {
        Self {
            rest: json,
            comma: false,
        }
    }

    /// Whether everything was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn separate(&mut self) -> Option<()> {
        if self.comma {
            self.take(",")?;
        }
        self.comma = true;
        Some(())
    }

    /// The beginning of an object or an array.
    pub(crate) fn open(&mut self, bracket: &str) -> Option<()> {
        self.separate()?;
        self.take(bracket)?;
        self.comma = false;
        Some(())
    }

    /// Its end.
    pub(crate) fn close(&mut self, bracket: &str) -> Option<()> {
        self.take(bracket)?;
        self.comma = true;
        Some(())
    }

    /// The elements of an array.
    pub(crate) fn list<T>(&mut self, element: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.open("[")?;
        let mut list = Vec::new();
        while self.close("]").is_none() {
            list.push(element(self)?);
        }
        Some(list)
    }

    /// A member's name, with its quotes and the colon.
    pub(crate) fn name(&mut self, name: &'static str) -> Option<()> {
        self.separate()?;
        self.take(name)?;
        self.comma = false;
        Some(())
    }

    /// Reads a member's name if it comes next; says whether it did.
    fn has(&mut self, name: &'static str) -> bool {
        let before = (self.rest, self.comma);
        let found = self.name(name).is_some();
        if !found {
            (self.rest, self.comma) = before;
        }
        found
    }

    /// A text without escapes.
    pub(crate) fn text(&mut self) -> Option<Text<'a>> {
        self.separate()?;
        let within = self.rest.strip_prefix('"')?;
        let length = memchr(b'"', within.as_bytes())?;
        let plain = needs_no_escapes(&within[..length]);
        let (text, rest) = self.rest.split_at(length + 2);
        self.rest = rest;
        plain.then_some(Text(text))
    }

    /// A member with a text, which may be absent.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<Option<Text<'a>>> {
        if self.has(name) {
            self.text().map(Some)
        } else {
            Some(None)
        }
    }

    /// A member that is true or false, which may be absent.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<Option<bool>> {
        if !self.has(name) {
            return Some(None);
        }
        self.comma = true;
        if self.take("true").is_some() {
            return Some(Some(true));
        }
        self.take("false").map(|()| Some(false))
    }
}
