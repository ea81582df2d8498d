//! The facts of an order's fulfilment: assignments and failures.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ServiceProvider;
use super::sealed::{CredentialKind, PersonalField};
use super::webhook::QuarantinedPart;
use crate::{Domain, MailboxId, OrderId, SubscriptionId, UserId};

/// Mailboxes were assigned to an order, domain by domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxesAssigned {
    /// The domains that got mailboxes. Shared by all copies: an event is copied on its way into the ledger.
    pub domains: Arc<Vec<AssignedDomain>>,
    /// Whether the listed fields may be blank: older schema versions did not check.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_blank: bool,
    /// The order.
    pub order_id: OrderId,
    /// The parts that could not be used: they are missing from the list, and in the sealed original.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined_parts: Vec<QuarantinedPart>,
    /// When the provider sent the webhook, by its headers.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
    /// Google, Microsoft, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_provider: Option<ServiceProvider>,
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

/// One domain of an order and the mailboxes that it got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedDomain {
    /// The domain.
    pub domain: Domain,
    /// Its mailboxes, in the order of the webhook: the sealed sections list theirs in the same order.
    pub mailboxes: Vec<AssignedMailbox>,
    /// The subscription that pays for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<SubscriptionId>,
}

/// One mailbox, without personal data and credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedMailbox {
    /// The kinds of credentials that came with it. Left out of the facts if all did, which is usual.
    #[serde(default = "CredentialKind::all", skip_serializing_if = "CredentialKind::is_all")]
    pub credentials: Vec<CredentialKind>,
    /// When its subscription expires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub expiry_date: Option<Timestamp>,
    /// Whether the account may administer the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_admin: Option<bool>,
    /// The provider's mailbox id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox_id: Option<MailboxId>,
    /// Its personal fields, which are sealed. Left out of the facts if all are present, which is usual.
    #[serde(default = "PersonalField::all", skip_serializing_if = "PersonalField::is_all")]
    pub personal: Vec<PersonalField>,
    /// Since when it has been warmed up.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub warming_up_from: Option<Timestamp>,
}

/// Some domains of an order, or all, got no mailboxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentFailed {
    /// The failures and their reasons; one without a domain is about the whole order.
    pub failures: Vec<AssignmentFailure>,
    /// The order.
    pub order_id: OrderId,
    /// The parts that could not be used: they are missing from the list, and in the sealed original.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined_parts: Vec<QuarantinedPart>,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
    /// Google, Microsoft, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_provider: Option<ServiceProvider>,
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

/// One failed domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentFailure {
    /// The domain; absent if the order failed as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// The provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
