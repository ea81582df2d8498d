//! `prewarmup.order.success`: mailboxes were assigned, with their credentials.

use std::fmt::Display;

use aggregates::{AssignedDomain, AssignedMailbox, CredentialKind, MailboxesAssigned, OrderEvent, ServiceProvider};
use serde::{Deserialize, Serialize};

use super::object::Object;
use super::text::{domain, moment, optional_text};
use super::{Delivery, MAX_WORD_CHARS, Parsed, Problem, optional, required, section};
use crate::secret::Secret;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    user_id: Option<String>,
    user_email: Option<Secret<String>>,
    order_id: Option<String>,
    service_provider: Option<String>,
    mailbox_details: Option<Vec<Object<DomainDetails>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DomainDetails {
    domain: Option<String>,
    subscription_id: Option<String>,
    pre_warmed_up_mailboxes: Option<Vec<Object<Mailbox>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mailbox {
    mailbox_id: Option<String>,
    email: Option<Secret<String>>,
    first_name: Option<Secret<String>>,
    last_name: Option<Secret<String>>,
    profile_picture: Option<Secret<String>>,
    password: Option<Secret<String>>,
    app_password: Option<Secret<String>>,
    authenticator_secret: Option<Secret<String>>,
    is_admin: Option<bool>,
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

/// App password, authenticator secret, password: a list without names, since random text does not get shorter by
/// compression. Ledgers of before have an object with these names, in this order: what reads one reads the other.
#[derive(Serialize)]
struct SecretMailbox<'a>(Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn exposed(secret: &Option<Secret<String>>) -> Option<&str> {
    secret.as_ref().map(|secret| secret.expose().as_str())
}

impl Mailbox {
    fn credentials(&self) -> Vec<CredentialKind> {
        let kinds = [
            (&self.app_password, CredentialKind::AppPassword),
            (&self.authenticator_secret, CredentialKind::AuthenticatorSecret),
            (&self.password, CredentialKind::Password),
        ];
        kinds
            .into_iter()
            .filter(|(secret, _)| secret.is_some())
            .map(|(_, kind)| kind)
            .collect()
    }

    fn facts(&self, path: impl Display + Copy) -> Result<AssignedMailbox, Problem> {
        Ok(AssignedMailbox {
            credentials: self.credentials(),
            expiry_date: moment(self.expiry_date.as_deref(), format_args!("{path}.expiryDate"))?,
            is_admin: self.is_admin,
            mailbox_id: optional(self.mailbox_id.clone(), format_args!("{path}.mailboxId"))?,
            warming_up_from: moment(self.warming_up_from.as_deref(), format_args!("{path}.warmingUpFrom"))?,
        })
    }
}

/// Splits the payload.
pub(super) fn read(data: Data, delivery: Delivery) -> Result<Parsed, Problem> {
    let details = data.mailbox_details.unwrap_or_default();
    let mut domains = Vec::with_capacity(details.len());
    for (index, assigned) in details.iter().enumerate() {
        let path = format_args!("data.mailboxDetails[{index}]");
        let name = format_args!("{path}.domain");
        let mailboxes = assigned.pre_warmed_up_mailboxes.iter().flatten().enumerate();
        domains.push(AssignedDomain {
            domain: domain(assigned.domain.as_deref(), name)?.ok_or_else(|| Problem::at(name, "is missing"))?,
            mailboxes: mailboxes
                .map(|(number, mailbox)| mailbox.facts(format_args!("{path}.preWarmedUpMailboxes[{number}]")))
                .collect::<Result<_, _>>()?,
            subscription_id: optional(assigned.subscription_id.clone(), format_args!("{path}.subscriptionId"))?,
        });
    }
    let mailboxes: Vec<&Object<Mailbox>> = details
        .iter()
        .flat_map(|assigned| assigned.pre_warmed_up_mailboxes.iter().flatten())
        .collect();
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
        user_email: exposed(&data.user_email),
    };
    let secrets = Secrets {
        mailboxes: mailboxes
            .iter()
            .map(|mailbox| {
                SecretMailbox(
                    exposed(&mailbox.app_password),
                    exposed(&mailbox.authenticator_secret),
                    exposed(&mailbox.password),
                )
            })
            .collect(),
    };
    Ok(Parsed {
        event_id: None,
        personal: section(
            &personal,
            mailboxes.is_empty() && personal.user_email.is_none(),
            delivery.size,
        )?,
        secrets: section(
            &secrets,
            mailboxes.iter().all(|mailbox| mailbox.credentials().is_empty()),
            delivery.size,
        )?,
        claim: OrderEvent::MailboxesAssigned(MailboxesAssigned {
            domains,
            order_id: required(data.order_id, "data.orderId")?,
            sent_at: delivery.sent_at,
            service_provider: optional_text(data.service_provider, MAX_WORD_CHARS).map(ServiceProvider),
            unsigned: delivery.unsigned,
            user_id: optional(data.user_id, "data.userId")?,
        }),
    })
}
