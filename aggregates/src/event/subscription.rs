//! The facts of a subscription's life.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ServiceProvider;
use crate::{Domain, OrderId, SubscriptionId, UserId};

/// The facts common to the subscription family. The event's type says what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionFacts {
    /// Whether the subscription renews by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_renew: Option<bool>,
    /// Its domain: as sent, or as known to its order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// Its order, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The end of the event's period.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub period_end: Option<Timestamp>,
    /// The start of that period.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub period_start: Option<Timestamp>,
    /// How many mailboxes it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Why it failed, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
    /// Google, Microsoft, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_provider: Option<ServiceProvider>,
    /// The subscription.
    pub subscription_id: SubscriptionId,
    /// The provider's own word for its status, e.g. `PAST_DUE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_status: Option<String>,
    /// The paths of the fields that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Whether it was recorded from a capture without a signature, on an operator's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// The user it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}
