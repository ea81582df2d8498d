//! A mailbox, as every kind of webhook writes it, and the two sealed sections that list mailboxes.

use std::fmt::Display;

use aggregates::{AssignedMailbox, CredentialKind, PersonalField};
use serde::{Deserialize, Serialize};

use super::text::moment;
use super::{Problem, optional, section};
use crate::secret::Secret;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mailbox {
    pub(super) mailbox_id: Option<String>,
    pub(super) email: Option<Secret<String>>,
    first_name: Option<Secret<String>>,
    last_name: Option<Secret<String>>,
    profile_picture: Option<Secret<String>>,
    password: Option<Secret<String>>,
    app_password: Option<Secret<String>>,
    authenticator_secret: Option<Secret<String>>,
    pub(super) is_admin: Option<bool>,
    warming_up_from: Option<String>,
    expiry_date: Option<String>,
}

/// What is personal, in plaintext, on its way to being sealed. Mailboxes stand in the order of the facts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Personal<'a> {
    mailboxes: Vec<PersonalMailbox<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PersonalMailbox<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_picture: Option<&'a str>,
}

/// The credentials, in plaintext, on their way to being sealed. Mailboxes stand in the order of the facts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Secrets<'a> {
    mailboxes: Vec<SecretMailbox<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretMailbox<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    app_password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticator_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

fn exposed(secret: &Option<Secret<String>>) -> Option<&str> {
    secret.as_ref().map(|secret| secret.expose().as_str())
}

impl Mailbox {
    /// Which credentials it tells.
    pub(super) fn credentials(&self) -> Vec<CredentialKind> {
        let kinds = [
            (&self.app_password, CredentialKind::AppPassword),
            (&self.authenticator_secret, CredentialKind::AuthenticatorSecret),
            (&self.password, CredentialKind::Password),
        ];
        told(kinds)
    }

    /// What it tells that is personal.
    pub(super) fn personal(&self) -> Vec<PersonalField> {
        told([
            (&self.email, PersonalField::Email),
            (&self.first_name, PersonalField::FirstName),
            (&self.last_name, PersonalField::LastName),
            (&self.profile_picture, PersonalField::ProfilePicture),
        ])
    }

    pub(super) fn facts(&self, path: impl Display + Copy) -> Result<AssignedMailbox, Problem> {
        Ok(AssignedMailbox {
            credentials: self.credentials(),
            expiry_date: moment(self.expiry_date.as_deref(), format_args!("{path}.expiryDate"))?,
            is_admin: self.is_admin,
            mailbox_id: optional(self.mailbox_id.clone(), format_args!("{path}.mailboxId"))?,
            warming_up_from: moment(self.warming_up_from.as_deref(), format_args!("{path}.warmingUpFrom"))?,
        })
    }
}

fn told<T, const N: usize>(fields: [(&Option<Secret<String>>, T); N]) -> Vec<T> {
    let told = fields.into_iter().filter(|(secret, _)| secret.is_some());
    told.map(|(_, field)| field).collect()
}

/// The personal and the secret section of a webhook with these mailboxes; none where nothing is in one. `longest` as for
/// [`section`].
pub(super) fn sections(
    mailboxes: &[&Mailbox],
    user_email: &Option<Secret<String>>,
    longest: usize,
) -> Result<[Option<Secret<Vec<u8>>>; 2], Problem> {
    let personal = Personal {
        mailboxes: mailboxes
            .iter()
            .map(|mailbox| PersonalMailbox {
                email: exposed(&mailbox.email),
                first_name: exposed(&mailbox.first_name),
                last_name: exposed(&mailbox.last_name),
                profile_picture: exposed(&mailbox.profile_picture),
            })
            .collect(),
        user_email: exposed(user_email),
    };
    let secrets = Secrets {
        mailboxes: mailboxes
            .iter()
            .map(|mailbox| SecretMailbox {
                app_password: exposed(&mailbox.app_password),
                authenticator_secret: exposed(&mailbox.authenticator_secret),
                password: exposed(&mailbox.password),
            })
            .collect(),
    };
    let no_secrets = mailboxes.iter().all(|mailbox| mailbox.credentials().is_empty());
    Ok([
        section(&personal, mailboxes.is_empty() && user_email.is_none(), longest)?,
        section(&secrets, no_secrets, longest)?,
    ])
}
