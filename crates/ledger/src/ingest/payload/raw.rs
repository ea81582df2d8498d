//! The fields of a payload as they were written: any JSON value, to be read as what it plainly means.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::sections::Text;

/// A JSON value as it was written. Plaintext. It has no `Debug`.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a>(pub(super) &'a str);

/// A value that is neither an object nor a list.
pub(super) enum Scalar<'a> {
    /// A text, unescaped.
    Text(Cow<'a, str>),
    /// A number, as it was written.
    Number(&'a str),
    /// True or false.
    Boolean(bool),
}

impl<'a> Raw<'a> {
    /// The value, unless it is an object or a list, or no text at all for half of a surrogate pair.
    pub(super) fn scalar(self) -> Option<Scalar<'a>> {
        match self.0 {
            "true" => Some(Scalar::Boolean(true)),
            "false" => Some(Scalar::Boolean(false)),
            text if text.starts_with('"') => Text::of_json(text).map(|text| Scalar::Text(text.unescaped())),
            number => Text::of_json(number).map(|_| Scalar::Number(number)),
        }
    }

    /// The elements of a list.
    pub(super) fn elements(self) -> Option<Vec<Raw<'a>>> {
        serde_json::from_str(self.0).ok()
    }

    /// Whether it is a text without a visible character.
    pub(super) fn is_blank(self) -> bool {
        Text::of_json(self.0).is_some_and(Text::is_blank)
    }

    /// Whether it is an object.
    pub(super) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}
