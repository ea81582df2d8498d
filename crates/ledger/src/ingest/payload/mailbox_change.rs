//! `mailbox.created` and `mailbox.updated`: one mailbox, perhaps with credentials. The sealed sections list it alone,
//! in the form of an assignment's list.

use aggregates::{MailboxCreated, MailboxId, MailboxUpdated, OrderEvent, ServiceProvider};
use serde::Deserialize;

use super::mailbox::{Fields, sections, write};
use super::raw::Raw;
use super::reading::Reading;
use super::{MAX_WORD_CHARS, Parsed, PayloadProblem};

/// The order, subscription and domain of a new mailbox.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole<'a> {
    #[serde(borrow)]
    user_id: Option<Raw<'a>>,
    #[serde(borrow)]
    user_email: Option<Raw<'a>>,
    #[serde(borrow)]
    order_id: Option<Raw<'a>>,
    #[serde(borrow)]
    subscription_id: Option<Raw<'a>>,
    #[serde(borrow)]
    domain: Option<Raw<'a>>,
    #[serde(borrow)]
    domain_name: Option<Raw<'a>>,
    #[serde(borrow)]
    workspace_type: Option<Raw<'a>>,
}

/// Splits the payload of `mailbox.created`, which is read twice: as the mailbox and as the fields around it.
pub(super) fn created(whole: Whole<'_>, fields: Fields<'_>, reading: &mut Reading) -> Result<Parsed, PayloadProblem> {
    let mailbox = fields.read(reading, "data")?;
    let facts = mailbox.facts.clone();
    let claim = MailboxCreated {
        domain: reading.name(whole.domain_name, whole.domain),
        credentials: facts.credentials,
        expiry_date: facts.expiry_date,
        is_admin: facts.is_admin,
        mailbox_id: facts
            .mailbox_id
            .ok_or_else(|| PayloadProblem::at("data.mailboxId", "is missing"))?,
        may_be_blank: false,
        order_id: reading.id(whole.order_id, "data.orderId"),
        personal: facts.personal,
        sent_at: reading.delivery.sent_at,
        service_provider: reading
            .words(whole.workspace_type, MAX_WORD_CHARS, "data.workspaceType")
            .map(ServiceProvider),
        subscription_id: reading.id(whole.subscription_id, "data.subscriptionId"),
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(whole.user_id, "data.userId"),
        warming_up_from: facts.warming_up_from,
    };
    let user_email = reading.text(whole.user_email, "data.userEmail");
    let (personal, secrets) = sections(&[mailbox], user_email);
    let [personal, secrets] = write(&personal, &secrets);
    Ok(Parsed {
        personal,
        secrets,
        ..Parsed::of(OrderEvent::MailboxCreated(claim))
    })
}

/// `mailbox.updated`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update<'a> {
    #[serde(borrow)]
    user_id: Option<Raw<'a>>,
    #[serde(borrow)]
    user_email: Option<Raw<'a>>,
    #[serde(borrow)]
    mailbox_id: Option<Raw<'a>>,
    /// Its current address, changed or not.
    #[serde(borrow)]
    email: Option<Raw<'a>>,
    #[serde(borrow)]
    updated_fields: Option<Raw<'a>>,
}

/// Splits the payload of `mailbox.updated`.
pub(super) fn updated(data: Update<'_>, reading: &mut Reading) -> Result<Parsed, PayloadProblem> {
    let mailbox_id = Reading::required(data.mailbox_id, "data.mailboxId", MailboxId::parse)?;
    let fields: Option<Fields<'_>> = data.updated_fields.and_then(|changed| {
        let fields = reading.object(changed, "data.updatedFields").ok();
        fields.or_else(|| reading.left_out("data.updatedFields"))
    });
    let mut fields = fields.unwrap_or_default();
    fields.email = fields.email.filter(|email| !email.is_blank()).or(data.email);
    let mailbox = fields.read(reading, "data.updatedFields")?;
    let facts = mailbox.facts.clone();
    let claim = MailboxUpdated {
        credentials: facts.credentials,
        expiry_date: facts.expiry_date,
        is_admin: facts.is_admin,
        mailbox_id,
        may_be_blank: false,
        personal: facts.personal,
        sent_at: reading.delivery.sent_at,
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(data.user_id, "data.userId"),
    };
    let user_email = reading.text(data.user_email, "data.userEmail");
    let (personal, secrets) = sections(&[mailbox], user_email);
    let [personal, secrets] = write(&personal, &secrets);
    Ok(Parsed {
        personal,
        secrets,
        ..Parsed::of(OrderEvent::MailboxUpdated(claim))
    })
}
