//! The facts of a single mailbox: created outside of an assignment, changed, exported, warmed up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ServiceProvider;
use super::sealed::{CredentialKind, PersonalField};
use crate::{Domain, MailboxId, OrderId, SubscriptionId, UserId};

/// A mailbox was created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxCreated {
    /// The kinds of credentials that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialKind>,
    /// Its domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// When its subscription expires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub expiry_date: Option<Timestamp>,
    /// Whether the account may administer the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_admin: Option<bool>,
    /// The provider's mailbox id.
    pub mailbox_id: MailboxId,
    /// Whether the listed fields may be blank: older schema versions did not check.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_blank: bool,
    /// The order that it was created for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Its personal fields, which are sealed.
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
    /// The paths of the fields that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Whether it was recorded from a capture without a signature, on an operator's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// The user it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Since when it has been warmed up.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub warming_up_from: Option<Timestamp>,
}

/// A mailbox changed; absent fields did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxUpdated {
    /// The kinds of new credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialKind>,
    /// When its subscription expires now.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub expiry_date: Option<Timestamp>,
    /// Whether the account may administer the workspace now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_admin: Option<bool>,
    /// The mailbox.
    pub mailbox_id: MailboxId,
    /// Whether the listed fields may be blank: older schema versions did not check.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_blank: bool,
    /// Its changed personal fields, which are sealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub personal: Vec<PersonalField>,
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

/// Something happened to a mailbox, without changing its record; the event's type says what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxFacts {
    /// Its domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// The mailbox.
    pub mailbox_id: MailboxId,
    /// The order that the webhook names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// When the provider sent the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub sent_at: Option<Timestamp>,
    /// The subscription that pays for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<SubscriptionId>,
    /// The paths of the fields that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Whether it was recorded from a capture without a signature, on an operator's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsigned: bool,
    /// The user it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Since when it has been warmed up.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub warming_up_from: Option<Timestamp>,
}
