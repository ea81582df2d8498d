//! The facts of a single mailbox: made outside of an assignment, or changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ServiceProvider;
use super::sealed::{CredentialKind, PersonalField};
use crate::{Domain, MailboxId, OrderId, SubscriptionId, UserId};

/// A mailbox was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxCreated {
    /// Which credentials came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialKind>,
    /// Its domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// When its subscription runs out.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub expiry_date: Option<Timestamp>,
    /// Whether the account may administer the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_admin: Option<bool>,
    /// The provider's id of it.
    pub mailbox_id: MailboxId,
    /// Whether what it says it brings may be blank: events of older schema versions did not look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_blank: bool,
    /// The order that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// What is personal about it and sealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub personal: Vec<PersonalField>,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
    /// Google, Microsoft, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_provider: Option<ServiceProvider>,
    /// The subscription that pays for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<SubscriptionId>,
    /// Whether it was recorded from a capture without a signature, on an operator's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Since when it has been warmed up.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub warming_up_from: Option<Timestamp>,
}

/// Something about a mailbox changed; what is absent did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxUpdated {
    /// Which credentials are new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialKind>,
    /// When its subscription runs out now.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub expiry_date: Option<Timestamp>,
    /// Whether the account may administer the workspace now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_admin: Option<bool>,
    /// The mailbox.
    pub mailbox_id: MailboxId,
    /// Whether what it says it brings may be blank: events of older schema versions did not look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_blank: bool,
    /// What is personal about it, told anew and sealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub personal: Vec<PersonalField>,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
    /// Whether it was recorded from a capture without a signature, on an operator's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}
