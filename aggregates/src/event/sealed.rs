//! Which sealed parts of a mailbox an event carries. Only that they are there is a fact.

use serde::{Deserialize, Serialize};

/// Which of a mailbox's three credentials a webhook carried. The credentials themselves are sealed.
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

    /// Whether a list is that of every kind.
    pub fn is_all(kinds: &[Self]) -> bool {
        kinds == Self::ALL
    }
}

/// What is personal about a mailbox and stands in an event's sealed section. Only that it is there is a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PersonalField {
    /// Its address.
    Email,
    /// The first name of whoever it poses as.
    FirstName,
    /// The last name.
    LastName,
    /// Where their picture is.
    ProfilePicture,
}

impl PersonalField {
    /// Every field, in the order of their names.
    pub const ALL: [Self; 4] = [Self::Email, Self::FirstName, Self::LastName, Self::ProfilePicture];

    /// Every field, as a list.
    pub fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    /// Whether a list is that of every field.
    pub fn is_all(fields: &[Self]) -> bool {
        fields == Self::ALL
    }
}
