//! `mailbox.created` and `mailbox.updated`: one mailbox, perhaps with credentials. The sealed sections list it alone,
//! in the form of an assignment's list.

use aggregates::{MailboxCreated, MailboxUpdated, OrderEvent, ServiceProvider};
use serde::Deserialize;

use super::mailbox::{Mailbox, sections, write};
use super::object::Object;
use super::text::{domain, optional_text};
use super::{Delivery, MAX_WORD_CHARS, Parsed, PayloadProblem, optional, required};
use crate::sections::Text;

/// The order, subscription and domain of a new mailbox.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole<'a> {
    user_id: Option<String>,
    #[serde(borrow)]
    user_email: Option<Text<'a>>,
    order_id: Option<String>,
    subscription_id: Option<String>,
    domain: Option<String>,
    domain_name: Option<String>,
    workspace_type: Option<String>,
}

/// Splits the payload of `mailbox.created`, which is read twice: as the mailbox and as the fields around it.
pub(super) fn created(whole: Whole<'_>, mailbox: Mailbox<'_>, delivery: Delivery) -> Result<Parsed, PayloadProblem> {
    let facts = mailbox.facts("data")?;
    let named = match domain(whole.domain_name.as_deref(), "data.domainName")? {
        Some(name) => Some(name),
        None => domain(whole.domain.as_deref(), "data.domain")?,
    };
    let claim = MailboxCreated {
        domain: named,
        credentials: facts.credentials,
        expiry_date: facts.expiry_date,
        is_admin: facts.is_admin,
        mailbox_id: facts
            .mailbox_id
            .ok_or_else(|| PayloadProblem::at("data.mailboxId", "is missing"))?,
        may_be_blank: false,
        order_id: optional(whole.order_id, "data.orderId")?,
        personal: facts.personal,
        sent_at: delivery.sent_at,
        service_provider: optional_text(whole.workspace_type, MAX_WORD_CHARS).map(ServiceProvider),
        subscription_id: optional(whole.subscription_id, "data.subscriptionId")?,
        unsigned: delivery.unsigned,
        user_id: optional(whole.user_id, "data.userId")?,
        warming_up_from: facts.warming_up_from,
    };
    let (personal, secrets) = sections(std::iter::once(&mailbox), whole.user_email);
    let [personal, secrets] = write(&personal, &secrets);
    Ok(Parsed {
        event_id: None,
        spelling: None,
        claim: OrderEvent::MailboxCreated(claim),
        personal,
        secrets,
    })
}

/// `mailbox.updated`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update<'a> {
    user_id: Option<String>,
    #[serde(borrow)]
    user_email: Option<Text<'a>>,
    mailbox_id: Option<String>,
    /// Its current address, changed or not.
    #[serde(borrow)]
    email: Option<Text<'a>>,
    #[serde(borrow)]
    updated_fields: Option<Object<Mailbox<'a>>>,
}

/// Splits the payload of `mailbox.updated`.
pub(super) fn updated(data: Update<'_>, delivery: Delivery) -> Result<Parsed, PayloadProblem> {
    let mut mailbox = match data.updated_fields {
        Some(Object(fields)) => fields,
        None => return Err(PayloadProblem::at("data.updatedFields", "is missing")),
    };
    mailbox.email = mailbox.email.filter(|email| !email.is_blank()).or(data.email);
    let facts = mailbox.facts("data.updatedFields")?;
    let claim = MailboxUpdated {
        credentials: facts.credentials,
        expiry_date: facts.expiry_date,
        is_admin: facts.is_admin,
        mailbox_id: required(data.mailbox_id, "data.mailboxId")?,
        may_be_blank: false,
        personal: facts.personal,
        sent_at: delivery.sent_at,
        unsigned: delivery.unsigned,
        user_id: optional(data.user_id, "data.userId")?,
    };
    let (personal, secrets) = sections(std::iter::once(&mailbox), data.user_email);
    let [personal, secrets] = write(&personal, &secrets);
    Ok(Parsed {
        event_id: None,
        spelling: None,
        claim: OrderEvent::MailboxUpdated(claim),
        personal,
        secrets,
    })
}
