//! A mailbox, as in every kind of webhook, and the two sealed sections that list mailboxes.

use std::fmt::Display;

use aggregates::{AssignedMailbox, CredentialKind, PersonalField};
use jiff::Timestamp;
use serde::Deserialize;

use super::text::moment;
use super::{PayloadProblem, optional};
use crate::sections::{Personal, PersonalMailbox, SecretMailbox, Secrets, Text};
use crate::seed::is_blank_seed;
use secret::{Secret, Wiped};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mailbox<'a> {
    #[serde(borrow)]
    mailbox_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) email: Option<Text<'a>>,
    #[serde(borrow)]
    first_name: Option<Text<'a>>,
    #[serde(borrow)]
    last_name: Option<Text<'a>>,
    #[serde(borrow)]
    profile_picture: Option<Text<'a>>,
    #[serde(borrow)]
    password: Option<Text<'a>>,
    #[serde(borrow)]
    app_password: Option<Text<'a>>,
    #[serde(borrow)]
    authenticator_secret: Option<Text<'a>>,
    pub(super) is_admin: Option<bool>,
    #[serde(borrow)]
    warming_up_from: Option<Text<'a>>,
    #[serde(borrow)]
    expiry_date: Option<Text<'a>>,
}

impl<'a> Mailbox<'a> {
    /// The credentials it has. A blank one counts as absent.
    pub(super) fn credentials(&self) -> Vec<CredentialKind> {
        let kinds = [
            (&self.app_password, CredentialKind::AppPassword),
            (&self.authenticator_secret, CredentialKind::AuthenticatorSecret),
            (&self.password, CredentialKind::Password),
        ];
        let mut told = told(kinds);
        // a seed without a secret in it
        if self
            .authenticator_secret
            .is_some_and(|seed| is_blank_seed(&Wiped::new(seed.unescaped().into_owned())))
        {
            told.retain(|kind| *kind != CredentialKind::AuthenticatorSecret);
        }
        told
    }

    /// Its personal fields that are not blank.
    pub(super) fn personal(&self) -> Vec<PersonalField> {
        told([
            (&self.email, PersonalField::Email),
            (&self.first_name, PersonalField::FirstName),
            (&self.last_name, PersonalField::LastName),
            (&self.profile_picture, PersonalField::ProfilePicture),
        ])
    }

    fn personal_part(&self) -> PersonalMailbox<'a> {
        PersonalMailbox {
            email: self.email,
            first_name: self.first_name,
            last_name: self.last_name,
            profile_picture: self.profile_picture,
        }
    }

    fn secret_part(&self) -> SecretMailbox<'a> {
        SecretMailbox {
            app_password: self.app_password,
            authenticator_secret: self.authenticator_secret,
            password: self.password,
        }
    }

    pub(super) fn facts(&self, path: impl Display + Copy) -> Result<AssignedMailbox, PayloadProblem> {
        Ok(AssignedMailbox {
            credentials: self.credentials(),
            expiry_date: date(self.expiry_date, format_args!("{path}.expiryDate"))?,
            is_admin: self.is_admin,
            mailbox_id: optional(self.mailbox_id.map(Text::unescaped), format_args!("{path}.mailboxId"))?,
            personal: self.personal(),
            warming_up_from: date(self.warming_up_from, format_args!("{path}.warmingUpFrom"))?,
        })
    }
}

fn date(text: Option<Text<'_>>, path: impl Display + Copy) -> Result<Option<Timestamp>, PayloadProblem> {
    moment(text.map(Text::unescaped).as_deref(), path)
}

fn told<T, const N: usize>(fields: [(&Option<Text<'_>>, T); N]) -> Vec<T> {
    let told = fields
        .into_iter()
        .filter(|(text, _)| text.is_some_and(|text| !text.is_blank()));
    told.map(|(_, field)| field).collect()
}

/// The personal and the secret section of a webhook with these mailboxes.
pub(super) fn sections<'a>(
    mailboxes: impl Iterator<Item = &'a Mailbox<'a>> + Clone,
    user_email: Option<Text<'a>>,
) -> (Personal<'a>, Secrets<'a>) {
    let personal = Personal {
        mailboxes: mailboxes.clone().map(Mailbox::personal_part).collect(),
        user_email,
    };
    let secrets = Secrets {
        mailboxes: mailboxes.map(Mailbox::secret_part).collect(),
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
