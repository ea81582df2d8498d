//! Which sealed parts of a mailbox an event has. The facts say only that they exist.

use serde::{Deserialize, Serialize};

/// The kinds of a mailbox's credentials in a webhook. The credentials themselves are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CredentialKind {
    /// The app password.
    AppPassword,
    /// The TOTP seed (RFC 6238) for two-factor sign-in.
    AuthenticatorSecret,
    /// The account's password.
    Password,
}

impl CredentialKind {
    /// Every kind, in the order of their names.
    pub const ALL: [Self; 3] = [Self::AppPassword, Self::AuthenticatorSecret, Self::Password];

    /// Every kind, as a list.
    pub fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    /// Whether a list has every kind.
    pub fn is_all(kinds: &[Self]) -> bool {
        kinds == Self::ALL
    }
}

/// A personal field of a mailbox in an event's sealed section. The facts say only that it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PersonalField {
    /// Its address.
    Email,
    /// The first name of the mailbox's persona.
    FirstName,
    /// The last name.
    LastName,
    /// The address of the persona's picture.
    ProfilePicture,
}

impl PersonalField {
    /// Every field, in the order of their names.
    pub const ALL: [Self; 4] = [Self::Email, Self::FirstName, Self::LastName, Self::ProfilePicture];

    /// Every field, as a list.
    pub fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    /// Whether a list has every field.
    pub fn is_all(fields: &[Self]) -> bool {
        fields == Self::ALL
    }
}
