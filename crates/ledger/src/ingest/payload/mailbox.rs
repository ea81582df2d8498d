//! A mailbox, as in every kind of webhook, and the two sealed sections that list mailboxes.

use std::fmt::Display;

use aggregates::{AssignedMailbox, CredentialKind, MailboxId, PersonalField};
use serde::Deserialize;

use super::PayloadProblem;
use super::raw::Raw;
use super::reading::Reading;
use crate::sections::{Personal, PersonalMailbox, SecretMailbox, Secrets, Text};
use crate::seed::is_blank_seed;
use secret::{Secret, Wiped};

/// The fields of a mailbox.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Fields<'a> {
    #[serde(borrow)]
    mailbox_id: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(super) email: Option<Raw<'a>>,
    #[serde(borrow)]
    first_name: Option<Raw<'a>>,
    #[serde(borrow)]
    last_name: Option<Raw<'a>>,
    #[serde(borrow)]
    profile_picture: Option<Raw<'a>>,
    #[serde(borrow)]
    password: Option<Raw<'a>>,
    #[serde(borrow)]
    app_password: Option<Raw<'a>>,
    #[serde(borrow)]
    authenticator_secret: Option<Raw<'a>>,
    #[serde(borrow)]
    is_admin: Option<Raw<'a>>,
    #[serde(borrow)]
    warming_up_from: Option<Raw<'a>>,
    #[serde(borrow)]
    expiry_date: Option<Raw<'a>>,
}

/// A mailbox, split by sensitivity.
pub(super) struct Mailbox<'a> {
    pub(super) facts: AssignedMailbox,
    person: PersonalMailbox<'a>,
    secrets: SecretMailbox<'a>,
}

impl<'a> Fields<'a> {
    /// Reads the mailbox.
    ///
    /// # Errors
    /// [`PayloadProblem`] for an id that cannot be read: what is known of the mailbox could not be told from another's.
    pub(super) fn read(self, reading: &mut Reading, path: impl Display + Copy) -> Result<Mailbox<'a>, PayloadProblem> {
        let mailbox_id = match self.mailbox_id {
            Some(id) if !id.is_blank() => Some(Reading::required(
                Some(id),
                format_args!("{path}.mailboxId"),
                MailboxId::parse,
            )?),
            _ => None,
        };
        let mut text = |field, name| reading.text(field, format_args!("{path}.{name}"));
        let person = PersonalMailbox {
            email: text(self.email, "email"),
            first_name: text(self.first_name, "firstName"),
            last_name: text(self.last_name, "lastName"),
            profile_picture: text(self.profile_picture, "profilePicture"),
        };
        let secrets = SecretMailbox {
            password: text(self.password, "password"),
            app_password: text(self.app_password, "appPassword"),
            authenticator_secret: text(self.authenticator_secret, "authenticatorSecret"),
        };
        let facts = AssignedMailbox {
            credentials: credentials(&secrets),
            expiry_date: reading.moment(self.expiry_date, format_args!("{path}.expiryDate")),
            is_admin: reading.boolean(self.is_admin, format_args!("{path}.isAdmin")),
            mailbox_id,
            personal: personal(&person),
            warming_up_from: reading.moment(self.warming_up_from, format_args!("{path}.warmingUpFrom")),
        };
        Ok(Mailbox { facts, person, secrets })
    }
}

/// The credentials that a mailbox has. A blank one counts as absent.
fn credentials(secrets: &SecretMailbox<'_>) -> Vec<CredentialKind> {
    let mut told = told([
        (secrets.app_password, CredentialKind::AppPassword),
        (secrets.authenticator_secret, CredentialKind::AuthenticatorSecret),
        (secrets.password, CredentialKind::Password),
    ]);
    // a seed without a secret in it
    if secrets
        .authenticator_secret
        .is_some_and(|seed| is_blank_seed(&Wiped::new(seed.unescaped().into_owned())))
    {
        told.retain(|kind| *kind != CredentialKind::AuthenticatorSecret);
    }
    told
}

/// The personal fields of a mailbox that are not blank.
fn personal(person: &PersonalMailbox<'_>) -> Vec<PersonalField> {
    told([
        (person.email, PersonalField::Email),
        (person.first_name, PersonalField::FirstName),
        (person.last_name, PersonalField::LastName),
        (person.profile_picture, PersonalField::ProfilePicture),
    ])
}

fn told<T, const N: usize>(fields: [(Option<Text<'_>>, T); N]) -> Vec<T> {
    let told = fields
        .into_iter()
        .filter(|(text, _)| text.is_some_and(|text| !text.is_blank()));
    told.map(|(_, field)| field).collect()
}

/// The personal and the secret section of a webhook with these mailboxes.
pub(super) fn sections<'a>(mailboxes: &[Mailbox<'a>], user_email: Option<Text<'a>>) -> (Personal<'a>, Secrets<'a>) {
    let personal = Personal {
        mailboxes: mailboxes.iter().map(|mailbox| mailbox.person).collect(),
        user_email,
    };
    let secrets = Secrets {
        mailboxes: mailboxes.iter().map(|mailbox| mailbox.secrets).collect(),
    };
    (personal, secrets)
}

/// The sections to be sealed; none for an empty one.
pub(super) fn write(personal: &Personal<'_>, secrets: &Secrets<'_>) -> [Option<Secret<Vec<u8>>>; 2] {
    let is_personal = !personal.mailboxes.is_empty() || personal.user_email.is_some();
    let is_secret = !secrets.mailboxes.iter().all(SecretMailbox::is_empty);
    [
        is_personal.then(|| personal.write()),
        is_secret.then(|| secrets.write()),
    ]
}
