//! The facts of webhooks that are kept without being understood.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Domain, EventId, MailboxId, OrderId, Position, SubscriptionId, UserId};

/// An authentic webhook of a kind that this version does not know. Kept whole, sealed; the facts hold only its ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookUnrecognised {
    /// The domain that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// The mailbox that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox_id: Option<MailboxId>,
    /// The event name that the provider gave.
    pub name: String,
    /// The order that it names, or that its subscription or domain belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
    /// The subscription that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<SubscriptionId>,
    /// Whether it was recorded from a capture without a signature, on an operator's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// The user that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// Why an authentic webhook could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum QuarantineReason {
    /// The body is not valid UTF-8.
    InvalidUtf8,
    /// The body is not valid JSON, or is nested too deeply.
    InvalidJson,
    /// A required field is missing, or has the wrong type.
    InvalidPayload,
    /// There is no usable `eventId`.
    NoEventId,
    /// The `eventId` was recorded before, with other content.
    EventIdReused,
}

/// An authentic webhook that could not be used. Kept whole, sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookQuarantined {
    /// The position of the event that already has the `eventId`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflicts_with: Option<Position>,
    /// The problem and its place, for people. Never a value from the payload.
    pub detail: String,
    /// The `eventId` that the body claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// The event name that the body claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why it could not be used.
    pub reason: QuarantineReason,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
    /// The length of the body in bytes.
    pub size: u64,
    /// Whether it was recorded from a capture without a signature, on an operator's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// The user that the body names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// A part of a webhook that could not be used, though the rest could: one domain or mailbox of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantinedPart {
    /// The problem, for people. Never a value from the payload.
    pub detail: String,
    /// Its place in the body, e.g. `data.mailboxDetails[0].preWarmedUpMailboxes[2]`.
    pub path: String,
}
