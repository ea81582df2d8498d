//! The facts of a domain's registration and of its DNS records. A registration has a life of its own, apart from the
//! subscriptions of the mailboxes under it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Domain, DomainId, OrderId, Price, UserId};

/// The facts common to the registration family. The event's type says what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainFacts {
    /// Whether the registration renews by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_renew: Option<bool>,
    /// When it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub creation_time: Option<Timestamp>,
    /// The domain.
    pub domain: Domain,
    /// The provider's id of the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<DomainId>,
    /// When the registration ends.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub expiry_date: Option<Timestamp>,
    /// The order that the webhook names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Its price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Why it failed, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
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

/// A DNS record of a domain changed. Its host and value may name a person or a forwarding address, so they stay in the
/// sealed original.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsRecordUpdated {
    /// What was done, in the provider's word, e.g. `UPDATED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The domain.
    pub domain: Domain,
    /// The provider's id of the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<DomainId>,
    /// The order that the webhook names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The record's type, e.g. `CNAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
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
