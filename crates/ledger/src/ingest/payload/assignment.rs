//! `prewarmup.order.success`: mailboxes were assigned, with their credentials.

use aggregates::{AssignedDomain, EventId, MailboxesAssigned, OrderEvent, ServiceProvider};
use serde::Deserialize;

use super::mailbox::{Mailbox, sections, write};
use super::object::Object;
use super::text::{domain, optional_text};
use super::{Delivery, MAX_WORD_CHARS, Parsed, PayloadProblem, few_enough, optional, required};
use crate::sections::{Parts, Spelling, Text};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    user_id: Option<Text<'a>>,
    #[serde(borrow)]
    user_email: Option<Text<'a>>,
    #[serde(borrow)]
    order_id: Option<Text<'a>>,
    service_provider: Option<String>,
    #[serde(borrow)]
    mailbox_details: Option<Vec<Object<DomainDetails<'a>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DomainDetails<'a> {
    #[serde(borrow)]
    domain: Option<Text<'a>>,
    #[serde(borrow)]
    subscription_id: Option<Text<'a>>,
    #[serde(borrow)]
    pre_warmed_up_mailboxes: Option<Vec<Object<Mailbox<'a>>>>,
}

/// Splits the payload; `body` is the whole webhook.
pub(super) fn read(
    data: Data<'_>,
    event_id: &EventId,
    body: &str,
    delivery: Delivery,
) -> Result<Parsed, PayloadProblem> {
    let details = data.mailbox_details.unwrap_or_default();
    let mailboxes = details.iter().flat_map(|assigned| &assigned.pre_warmed_up_mailboxes);
    few_enough(
        details.len() + mailboxes.map(Vec::len).sum::<usize>(),
        "data.mailboxDetails",
    )?;
    let mut domains = Vec::with_capacity(details.len());
    for (index, assigned) in details.iter().enumerate() {
        let path = format_args!("data.mailboxDetails[{index}]");
        let name = format_args!("{path}.domain");
        let mailboxes = assigned.pre_warmed_up_mailboxes.iter().flatten().enumerate();
        domains.push(AssignedDomain {
            domain: domain(assigned.domain.map(Text::unescaped).as_deref(), name)?
                .ok_or_else(|| PayloadProblem::at(name, "is missing"))?,
            mailboxes: mailboxes
                .map(|(number, mailbox)| mailbox.facts(format_args!("{path}.preWarmedUpMailboxes[{number}]")))
                .collect::<Result<_, _>>()?,
            subscription_id: optional(
                assigned.subscription_id.map(Text::unescaped),
                format_args!("{path}.subscriptionId"),
            )?,
        });
    }
    let claim = OrderEvent::MailboxesAssigned(MailboxesAssigned {
        domains: domains.into(),
        may_be_blank: false,
        order_id: required(data.order_id.map(Text::unescaped), "data.orderId")?,
        sent_at: delivery.sent_at,
        service_provider: optional_text(data.service_provider, MAX_WORD_CHARS).map(ServiceProvider),
        unsigned: delivery.unsigned,
        user_id: optional(data.user_id.map(Text::unescaped), "data.userId")?,
    });
    let mailboxes = details
        .iter()
        .flat_map(|assigned| assigned.pre_warmed_up_mailboxes.iter().flatten())
        .map(|mailbox| &mailbox.0);
    let (personal, secrets) = sections(mailboxes, data.user_email);
    let [personal_section, secret_section] = write(&personal, &secrets);
    let parts = Parts {
        event_id,
        event: &claim,
        personal,
        secrets,
    };
    Ok(Parsed {
        event_id: None,
        spelling: Spelling::of(&parts, body.as_bytes()),
        claim,
        personal: personal_section,
        secrets: secret_section,
    })
}
