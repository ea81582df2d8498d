//! The contents of the sealed sections of an event with mailboxes: written by ingest, read when a section is opened.
//!
//! Layout
//! - `json`: writes JSON piece by piece, without copying its values
//! - `spelling`: a webhook's exact body again, from its event and its opened sections
//!
//! Everything here borrows from the JSON it was read from and is written to other JSON unchanged: no value is unescaped
//! or copied, so nothing has to be wiped. No type here has `Debug`, `Display` or `Serialize`.

mod json;
mod spelling;

use std::borrow::Cow;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use aggregates::visible::is_blank;
use json::{Json, Length};
use secret::Secret;
pub use spelling::{Parts, Spelling};

/// A JSON text as it was written, quotes and escapes included; or a number where a text belongs, which stands for its
/// digits. Plaintext.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// The JSON value as a text. None if it is neither a text nor a number; a quoted text may still hold half of a
    /// surrogate pair, and then it is none either.
    pub(crate) fn of_json(json: &'a str) -> Option<Self> {
        let is_text = match json.as_bytes().first()? {
            b'"' => !json.contains('\\') || serde_json::from_str::<Secret<String>>(json).is_ok(),
            first => first.is_ascii_digit() || *first == b'-',
        };
        is_text.then_some(Self(json))
    }

    /// The characters between its quotes, escapes included. None of a number.
    fn quoted(self) -> Option<&'a str> {
        self.0.strip_prefix('"')?.strip_suffix('"')
    }

    /// The text's value. The caller is responsible for where it goes.
    pub(crate) fn unescaped(self) -> Cow<'a, str> {
        match self.quoted() {
            // it was checked when it was read
            Some(text) if text.contains('\\') => Cow::Owned(serde_json::from_str(self.0).unwrap_or_default()),
            Some(text) => Cow::Borrowed(text),
            None => Cow::Borrowed(self.0),
        }
    }

    /// The text's value, to be revealed or compared.
    pub(crate) fn secret(self) -> Secret<String> {
        Secret::new(self.unescaped().into_owned())
    }

    /// Whether the value has no visible character: then it counts as absent.
    pub(crate) fn is_blank(self) -> bool {
        match self.quoted() {
            Some(text) if text.contains('\\') => {
                serde_json::from_str::<Secret<String>>(self.0).is_ok_and(|text| is_blank(text.expose()))
            }
            Some(text) => is_blank(text),
            None => false,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        // the error is without the value
        Self::of_json(json).ok_or_else(|| D::Error::invalid_type(Unexpected::Other("another value"), &"a text"))
    }
}

/// The personal section. Its mailboxes are in the order of the facts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Personal<'a> {
    #[serde(borrow, default)]
    pub(crate) mailboxes: Vec<PersonalMailbox<'a>>,
    #[serde(borrow, default)]
    pub(crate) user_email: Option<Text<'a>>,
}

/// The personal data of a mailbox.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PersonalMailbox<'a> {
    #[serde(borrow)]
    pub(crate) email: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) first_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) last_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) profile_picture: Option<Text<'a>>,
}

/// The secret section. Its mailboxes are in the order of the facts.
#[derive(Default, Deserialize)]
pub(crate) struct Secrets<'a> {
    #[serde(borrow, default)]
    pub(crate) mailboxes: Vec<SecretMailbox<'a>>,
}

/// A mailbox's credentials. Written as a list in this order: random text does not compress, and names would cost as
/// much as compression gains. A mailbox without any is an empty object, so that no section is longer than its webhook,
/// whatever the sender makes up. The first ledgers wrote an object with these names; both forms can be read.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SecretMailbox<'a> {
    #[serde(borrow)]
    pub(crate) app_password: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) authenticator_secret: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) password: Option<Text<'a>>,
}

/// Whom a mailbox belongs to. Personal data.
pub struct Person {
    /// Its address.
    pub email: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
}

impl From<PersonalMailbox<'_>> for Person {
    fn from(mailbox: PersonalMailbox<'_>) -> Self {
        let owned = |text: Option<Text<'_>>| text.map(|text| text.unescaped().into_owned());
        Self {
            email: owned(mailbox.email),
            first_name: owned(mailbox.first_name),
            last_name: owned(mailbox.last_name),
        }
    }
}

impl<'a> SecretMailbox<'a> {
    fn listed(&self) -> [Option<Text<'a>>; 3] {
        [self.app_password, self.authenticator_secret, self.password]
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.listed().iter().all(Option::is_none)
    }
}

impl Personal<'_> {
    /// The section's bytes.
    pub(crate) fn write(&self) -> Secret<Vec<u8>> {
        written(|json| {
            json.open("{");
            if !self.mailboxes.is_empty() {
                json.name("\"mailboxes\":");
                json.open("[");
                for mailbox in &self.mailboxes {
                    json.open("{");
                    json.optional("\"email\":", mailbox.email);
                    json.optional("\"firstName\":", mailbox.first_name);
                    json.optional("\"lastName\":", mailbox.last_name);
                    json.optional("\"profilePicture\":", mailbox.profile_picture);
                    json.close("}");
                }
                json.close("]");
            }
            json.optional("\"userEmail\":", self.user_email);
            json.close("}");
        })
    }
}

impl Secrets<'_> {
    /// The section's bytes.
    pub(crate) fn write(&self) -> Secret<Vec<u8>> {
        written(|json| {
            json.open("{");
            json.name("\"mailboxes\":");
            json.open("[");
            for mailbox in &self.mailboxes {
                if mailbox.is_empty() {
                    json.open("{");
                    json.close("}");
                    continue;
                }
                json.open("[");
                mailbox
                    .listed()
                    .into_iter()
                    .for_each(|secret| json.text_or_null(secret));
                json.close("]");
            }
            json.close("]");
            json.close("}");
        })
    }
}

/// The output of `write`. Measured first: growing would leave copies of plaintext behind.
fn written(write: impl Fn(&mut Json<'_>)) -> Secret<Vec<u8>> {
    let mut length = Length(0);
    write(&mut Json::into(&mut length));
    let mut bytes = Vec::with_capacity(length.0);
    write(&mut Json::into(&mut bytes));
    Secret::new(bytes)
}

/// Parses an opened section; the default if the event has none. None if it has another shape.
pub(crate) fn section<'a, T: Default + Deserialize<'a>>(json: Option<&'a [u8]>) -> Option<T> {
    json.map_or_else(|| Some(T::default()), |json| serde_json::from_slice(json).ok())
}
