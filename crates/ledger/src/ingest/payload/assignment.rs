//! `prewarmup.order.success`: mailboxes were assigned, with their credentials.

use aggregates::{AssignedDomain, Domain, EventId, MailboxesAssigned, OrderEvent, OrderId, ServiceProvider};
use serde::Deserialize;

use super::mailbox::{Fields, Mailbox, sections, write};
use super::raw::Raw;
use super::reading::Reading;
use super::{MAX_WORD_CHARS, Parsed, PayloadProblem, few_enough};
use crate::sections::{Parts, Spelling};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    user_id: Option<Raw<'a>>,
    #[serde(borrow)]
    user_email: Option<Raw<'a>>,
    #[serde(borrow)]
    order_id: Option<Raw<'a>>,
    #[serde(borrow)]
    service_provider: Option<Raw<'a>>,
    #[serde(borrow)]
    mailbox_details: Option<Raw<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DomainDetails<'a> {
    #[serde(borrow)]
    domain: Option<Raw<'a>>,
    #[serde(borrow)]
    subscription_id: Option<Raw<'a>>,
    #[serde(borrow)]
    pre_warmed_up_mailboxes: Option<Raw<'a>>,
}

/// Splits the payload; `body` is the whole webhook. A domain or mailbox that cannot be used is set aside, and the
/// others are recorded.
pub(super) fn read(
    data: Data<'_>,
    event_id: &EventId,
    body: &str,
    reading: &mut Reading,
) -> Result<Parsed, PayloadProblem> {
    let order_id = Reading::required(data.order_id, "data.orderId", OrderId::parse)?;
    let details = reading.list(data.mailbox_details, "data.mailboxDetails");
    let mut parts = details.len();
    let mut domains = Vec::with_capacity(details.len());
    let mut mailboxes = Vec::new();
    for (index, raw) in details.into_iter().enumerate() {
        let path = format_args!("data.mailboxDetails[{index}]");
        let Some(assigned) = reading.entry::<DomainDetails<'_>>(raw, path) else {
            continue;
        };
        let domain = match Reading::required(assigned.domain, "domain", Domain::normalise) {
            Ok(domain) => domain,
            Err(PayloadProblem(detail)) => {
                reading.quarantine(path, detail);
                continue;
            }
        };
        let list = format_args!("{path}.preWarmedUpMailboxes");
        let entries = reading.list(assigned.pre_warmed_up_mailboxes, list);
        parts += entries.len();
        few_enough(parts, "data.mailboxDetails")?;
        let first = mailboxes.len();
        for (number, raw) in entries.into_iter().enumerate() {
            mailboxes.extend(mailbox(raw, reading, &format!("{list}[{number}]")));
        }
        let own = mailboxes[first..]
            .iter()
            .map(|mailbox: &Mailbox<'_>| mailbox.facts.clone());
        domains.push(AssignedDomain {
            domain,
            mailboxes: own.collect(),
            subscription_id: reading.id(assigned.subscription_id, format_args!("{path}.subscriptionId")),
        });
    }
    let claim = OrderEvent::MailboxesAssigned(MailboxesAssigned {
        domains: domains.into(),
        may_be_blank: false,
        order_id,
        quarantined_parts: reading.take_quarantined(),
        sent_at: reading.delivery.sent_at,
        service_provider: reading
            .words(data.service_provider, MAX_WORD_CHARS, "data.serviceProvider")
            .map(ServiceProvider),
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(data.user_id, "data.userId"),
    });
    let user_email = reading.text(data.user_email, "data.userEmail");
    let (personal, secrets) = sections(&mailboxes, user_email);
    let [personal_section, secret_section] = write(&personal, &secrets);
    let parts = Parts {
        event_id,
        event: &claim,
        stored_names: None,
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

/// A mailbox of the list. One that cannot be used is set aside.
fn mailbox<'a>(raw: Raw<'a>, reading: &mut Reading, path: &str) -> Option<Mailbox<'a>> {
    let fields = reading.entry::<Fields<'_>>(raw, path)?;
    match fields.read(reading, path) {
        Ok(mailbox) => Some(mailbox),
        Err(PayloadProblem(detail)) => {
            reading.quarantine(path, detail.trim_start_matches(path).trim_start_matches('.'));
            None
        }
    }
}
