//! The provider's payloads, read tolerantly: unknown fields and nulls are fine, a value is taken for what it plainly
//! means, and a field that cannot be read is left out and named by its path. A missing or ill-formed field is an error
//! only if the event, or one part of it, is useless without it. Errors name the field, never its value.
//!
//! Layout
//! - `raw`, `value`: fields as they were written, and what they plainly mean
//! - `reading`: reads the fields of one webhook, and collects what cannot be read
//! - `object`: JSON objects only
//! - `text`: free text, fit to be kept
//! - the others: one family of events each

mod assignment;
mod dns;
mod failure;
mod mailbox;
mod mailbox_change;
mod mailbox_life;
mod mailbox_order;
mod object;
mod raw;
mod reading;
mod registration;
mod subscription;
mod text;
mod unrecognised;
mod value;

use std::fmt::Display;

use aggregates::{EventId, OrderEvent, QuarantineReason, UserId, WebhookQuarantined};
use jiff::Timestamp;
use serde::Deserialize;

use crate::sections::{Personal, Spelling, Text};
use object::Object;
use raw::Raw;
use reading::Reading;
use secret::Secret;
use text::event_name;

/// The most characters of a provider's own word (an event name, a status) kept in the facts.
const MAX_WORD_CHARS: usize = 128;

/// The most domains and mailboxes in one webhook. Folding more would hold up the views; real entries take a few hundred
/// bytes each, so no real webhook has room for so many.
const MAX_PARTS: usize = 10_000;

/// A webhook's content, split by sensitivity.
pub(super) struct Parsed {
    /// The sender's id of the event; none for a quarantined one.
    pub(super) event_id: Option<EventId>,
    /// The plain facts.
    pub(super) claim: OrderEvent,
    /// Personal data, as JSON.
    pub(super) personal: Option<Secret<Vec<u8>>>,
    /// The credentials, as JSON.
    pub(super) secrets: Option<Secret<Vec<u8>>>,
    /// How to spell the body again from these parts, if that is possible.
    pub(super) spelling: Option<Spelling>,
}

impl Parsed {
    /// A webhook without sealed sections but its original.
    fn of(claim: OrderEvent) -> Self {
        Self {
            event_id: None,
            claim,
            personal: None,
            secrets: None,
            spelling: None,
        }
    }
}

/// How a webhook came in.
#[derive(Clone, Copy)]
pub(super) struct Delivery {
    /// The body's length in bytes.
    pub(super) size: usize,
    /// When it was sent, by its headers.
    pub(super) sent_at: Option<Timestamp>,
    /// Whether it was accepted on an operator's word, without a signature.
    pub(super) unsigned: bool,
}

/// Why a payload cannot be used: where and what the problem is, without any value.
pub(super) struct PayloadProblem(String);

impl PayloadProblem {
    fn at(path: impl Display, what: impl Display) -> Self {
        Self(format!("{path} {what}"))
    }
}

/// The fields of every webhook.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outer<'a> {
    #[serde(borrow, default)]
    event: Option<Raw<'a>>,
    #[serde(borrow, default)]
    event_id: Option<Raw<'a>>,
    #[serde(borrow, default)]
    data: Option<Raw<'a>>,
}

/// Refuses a webhook with too many parts.
fn few_enough(parts: usize, path: &str) -> Result<(), PayloadProblem> {
    if parts > MAX_PARTS {
        let what =
            format_args!("tells of {parts} domains and mailboxes, more than the {MAX_PARTS} that one event may hold");
        return Err(PayloadProblem::at(path, what));
    }
    Ok(())
}

/// Only the user, for a payload that is otherwise useless.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner<'a> {
    #[serde(borrow, default)]
    user_id: Option<Raw<'a>>,
}

/// A text, or a number as text.
fn string(raw: Option<Raw<'_>>) -> Option<String> {
    let scalar = raw?.scalar()?;
    value::text(&scalar).map(str::to_owned)
}

/// Reads a body. Every authentic webhook becomes an event: of its kind, unrecognised, or quarantined with the reason.
pub(super) fn parse(body: &[u8], delivery: Delivery) -> Parsed {
    let quarantined = |reason, detail: String, outer: Option<&Outer<'_>>| {
        let owner = outer
            .and_then(|outer| outer.data)
            .and_then(|data| serde_json::from_str::<Object<Owner<'_>>>(data.0).ok());
        Parsed {
            event_id: None,
            claim: OrderEvent::WebhookQuarantined(WebhookQuarantined {
                conflicts_with: None,
                detail,
                event_id: outer
                    .and_then(|outer| string(outer.event_id))
                    .and_then(|id| EventId::try_from(id).ok()),
                name: outer
                    .and_then(|outer| string(outer.event))
                    .map(|name| event_name(&name)),
                reason,
                sent_at: delivery.sent_at,
                size: delivery.size as u64,
                unsigned: delivery.unsigned,
                user_id: owner
                    .and_then(|owner| string(owner.user_id))
                    .and_then(|id| UserId::try_from(id).ok()),
            }),
            personal: None,
            secrets: None,
            spelling: None,
        }
    };
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let detail = format!("the body is not UTF-8 after {} bytes", error.valid_up_to());
            let detail = if body.starts_with(b"\x1f\x8b") {
                "the body begins as gzip does and cannot be inflated".to_owned()
            } else {
                detail
            };
            return quarantined(QuarantineReason::InvalidUtf8, detail, None);
        }
    };
    let outer = match serde_json::from_str::<Object<Outer<'_>>>(text) {
        Ok(Object(outer)) => outer,
        Err(error) => {
            let what = match error.classify() {
                serde_json::error::Category::Eof => "ends too early",
                serde_json::error::Category::Data => "is not an object, or names a field twice",
                _ => "is not valid JSON",
            };
            let detail = format!("the body {what}, at line {} column {}", error.line(), error.column());
            return quarantined(QuarantineReason::InvalidJson, detail, None);
        }
    };
    let event_id = match string(outer.event_id).map(EventId::try_from) {
        Some(Ok(id)) => id,
        Some(Err(error)) => {
            return quarantined(QuarantineReason::NoEventId, format!("eventId {error}"), Some(&outer));
        }
        None => {
            let detail = "eventId is missing or not a text".to_owned();
            return quarantined(QuarantineReason::NoEventId, detail, Some(&outer));
        }
    };
    match read(&outer, &event_id, text, delivery) {
        Ok(mut parsed) => {
            parsed.event_id = Some(event_id);
            parsed
        }
        Err(PayloadProblem(detail)) => quarantined(QuarantineReason::InvalidPayload, detail, Some(&outer)),
    }
}

fn read(outer: &Outer<'_>, event_id: &EventId, body: &str, delivery: Delivery) -> Result<Parsed, PayloadProblem> {
    let name = string(outer.event).ok_or_else(|| PayloadProblem::at("event", "is missing or not a text"))?;
    let data = outer.data.unwrap_or(Raw("null"));
    let reading = &mut Reading::of(delivery);
    let mut parsed = match name.as_str() {
        "prewarmup.order.success" => assignment::read(reading.fields(data)?, event_id, body, reading),
        "prewarmup.order.failed" => failure::read(reading.fields(data)?, reading),
        "subscription.renewing" => subscription::read(reading.fields(data)?, reading, OrderEvent::SubscriptionRenewing),
        "subscription.renewal.success" => {
            subscription::read(reading.fields(data)?, reading, OrderEvent::SubscriptionRenewed)
        }
        "subscription.renewal.failed" => {
            subscription::read(reading.fields(data)?, reading, OrderEvent::SubscriptionRenewalFailed)
        }
        "subscription.past_due" => subscription::read(reading.fields(data)?, reading, OrderEvent::SubscriptionPastDue),
        "subscription.expired" => subscription::read(reading.fields(data)?, reading, OrderEvent::SubscriptionExpired),
        "subscription.cancelled" => {
            subscription::read(reading.fields(data)?, reading, OrderEvent::SubscriptionCancelled)
        }
        "subscription.updated" => subscription::read(reading.fields(data)?, reading, OrderEvent::SubscriptionUpdated),
        "domain.order.success" => registration::read(reading.fields(data)?, reading, OrderEvent::DomainRegistered),
        "domain.order.failed" => {
            registration::read(reading.fields(data)?, reading, OrderEvent::DomainRegistrationFailed)
        }
        "domain.renewal.success" => registration::read(reading.fields(data)?, reading, OrderEvent::DomainRenewed),
        "domain.renewal.failed" => registration::read(reading.fields(data)?, reading, OrderEvent::DomainRenewalFailed),
        "domain.grace_period" => registration::read(reading.fields(data)?, reading, OrderEvent::DomainGracePeriodBegan),
        "domain.expired" => registration::read(reading.fields(data)?, reading, OrderEvent::DomainExpired),
        "dns-record.updated" => dns::read(reading.fields(data)?, reading),
        "mailbox.order.success" => {
            mailbox_order::read(reading.fields(data)?, reading, OrderEvent::MailboxOrderAccepted)
        }
        "mailbox.order.failed" => mailbox_order::read(reading.fields(data)?, reading, OrderEvent::MailboxOrderFailed),
        "mailbox.created" => mailbox_change::created(reading.fields(data)?, reading.fields(data)?, reading),
        "mailbox.updated" => mailbox_change::updated(reading.fields(data)?, reading),
        "mailbox.exported" => mailbox_life::read(reading.fields(data)?, reading, OrderEvent::MailboxExported),
        "mailbox.warmup.started" => {
            mailbox_life::read(reading.fields(data)?, reading, OrderEvent::MailboxWarmupStarted)
        }
        "mailbox.warmup.removed" => {
            mailbox_life::read(reading.fields(data)?, reading, OrderEvent::MailboxWarmupRemoved)
        }
        _ => return Ok(unrecognised::read(&name, data, delivery)),
    }?;
    parsed.claim.leave_out(reading.take_unreadable());
    Ok(parsed)
}

/// The personal section of a webhook that lists no mailboxes.
fn user_email(email: Option<Text<'_>>) -> Option<Secret<Vec<u8>>> {
    let email = email.filter(|email| !email.is_blank())?;
    let personal = Personal {
        user_email: Some(email),
        ..Personal::default()
    };
    Some(personal.write())
}

#[cfg(test)]
mod tests;
