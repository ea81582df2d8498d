//! `prewarmup.order.success`: mailboxes were assigned, with their credentials.

use aggregates::{AssignedDomain, MailboxesAssigned, OrderEvent, ServiceProvider};
use serde::Deserialize;

use super::mailbox::{Mailbox, sections};
use super::object::Object;
use super::text::{domain, optional_text};
use super::{Delivery, MAX_WORD_CHARS, Parsed, Problem, optional, required};
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
    let mailboxes: Vec<&Mailbox> = details
        .iter()
        .flat_map(|assigned| assigned.pre_warmed_up_mailboxes.iter().flatten())
        .map(|mailbox| &mailbox.0)
        .collect();
    let [personal, secrets] = sections(&mailboxes, &data.user_email, delivery.size)?;
    Ok(Parsed {
        event_id: None,
        personal,
        secrets,
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
