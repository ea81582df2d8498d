//! The facts of an ordinary order of mailboxes: not of pre-warmed ones, and without the mailboxes themselves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ServiceProvider;
use crate::{Domain, DomainId, OrderId, Price, SubscriptionId, UserId};

/// An order of mailboxes was accepted or failed; the event's type says which. The mailboxes follow one by one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxOrderFacts {
    /// When the order was made.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub creation_time: Option<Timestamp>,
    /// The domain of the mailboxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// The provider's id of the domain's registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<DomainId>,
    /// When the subscription expires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub expiry_date: Option<Timestamp>,
    /// The order.
    pub order_id: OrderId,
    /// Its price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How many mailboxes were ordered.
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
    /// The subscription that pays for the mailboxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<SubscriptionId>,
    /// The paths of the fields that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Whether it was recorded from a capture without a signature, on an operator's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// The user who ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}
