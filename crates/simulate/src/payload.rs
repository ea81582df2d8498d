//! The JSON of the provider's webhooks, field for field in the provider's order. No `Debug`: some hold credentials.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use aggregates::{Domain, DomainId, EventId, MailboxId, OrderId, SubscriptionId, UserId};

use super::provider::Provider;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a, T> {
    event: &'a str,
    event_id: &'a EventId,
    data: T,
}

/// The exact text of a webhook.
pub(super) fn body(event: &str, event_id: &EventId, data: impl Serialize) -> String {
    // Only a map key that isn't text or a failing `Serialize` could fail, and these structs have neither.
    serde_json::to_string(&Webhook { event, event_id, data }).expect("the payloads are plain structs")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderSuccess<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) user_email: &'a str,
    pub(super) order_id: &'a OrderId,
    pub(super) service_provider: Provider,
    pub(super) mailbox_details: &'a [DomainDetails],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DomainDetails {
    pub(super) domain: Domain,
    pub(super) subscription_id: SubscriptionId,
    pub(super) pre_warmed_up_mailboxes: Vec<MailboxDetails>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MailboxDetails {
    pub(super) mailbox_id: MailboxId,
    pub(super) email: String,
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) profile_picture: String,
    pub(super) password: String,
    pub(super) app_password: String,
    pub(super) authenticator_secret: String,
    pub(super) is_admin: bool,
    #[serde(serialize_with = "milliseconds")]
    pub(super) warming_up_from: Timestamp,
    #[serde(serialize_with = "milliseconds")]
    pub(super) expiry_date: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderFailed<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) user_email: &'a str,
    pub(super) order_id: &'a OrderId,
    pub(super) service_provider: Provider,
    pub(super) failed_orders: Vec<FailedDomain<'a>>,
}

#[derive(Serialize)]
pub(super) struct FailedDomain<'a> {
    pub(super) domain: &'a Domain,
    pub(super) reason: &'static str,
}

/// The fields of every webhook about a subscription.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) user_email: &'a str,
    pub(super) subscription_id: &'a SubscriptionId,
    pub(super) domain_id: &'a DomainId,
    pub(super) domain: &'a Domain,
    pub(super) workspace_type: Provider,
    pub(super) quantity: usize,
    #[serde(serialize_with = "milliseconds")]
    pub(super) period_start: Timestamp,
    #[serde(serialize_with = "milliseconds")]
    pub(super) period_end: Timestamp,
    pub(super) auto_renew: bool,
    pub(super) description: String,
    pub(super) subscription_status: SubscriptionStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
}

/// A renewal in the form of older senders.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LegacySubscription<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) user_email: &'a str,
    pub(super) subscription_id: &'a SubscriptionId,
    pub(super) workspace_type: Provider,
    pub(super) quantity: usize,
}

/// The fields of every webhook about a domain's registration.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) user_email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) domain_id: Option<&'a DomainId>,
    pub(super) domain_name: &'a Domain,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order_id: Option<&'a OrderId>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_milliseconds")]
    pub(super) expiry_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DnsUpdate<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) domain_name: &'a Domain,
    pub(super) action: &'static str,
    pub(super) record: DnsRecord,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DnsRecord {
    pub(super) record_type: &'static str,
    pub(super) host: &'static str,
    pub(super) value: String,
}

/// The fields of a webhook about a mailbox that did not change.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MailboxEvent {
    pub(super) user_id: UserId,
    pub(super) mailbox_id: MailboxId,
    pub(super) email: String,
    pub(super) domain_name: Domain,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MailboxChange<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) user_email: &'a str,
    pub(super) mailbox_id: &'a MailboxId,
    pub(super) email: &'a str,
    pub(super) updated_fields: UpdatedFields,
}

#[derive(Serialize)]
pub(super) struct UpdatedFields {
    pub(super) password: String,
}

/// An ordinary order of mailboxes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MailboxOrder<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) user_email: &'a str,
    pub(super) domain_id: &'a DomainId,
    pub(super) domain_name: &'a Domain,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subscription_id: Option<&'a SubscriptionId>,
    pub(super) order_id: &'a OrderId,
    pub(super) workspace_type: Provider,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_milliseconds")]
    pub(super) expiry_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantity: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
}

/// A mailbox of an ordinary order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedMailbox<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) user_email: &'a str,
    pub(super) order_id: &'a OrderId,
    pub(super) subscription_id: &'a SubscriptionId,
    pub(super) domain_name: &'a Domain,
    pub(super) workspace_type: Provider,
    #[serde(flatten)]
    pub(super) mailbox: &'a MailboxDetails,
}

/// A subscription's status at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscriptionStatus {
    /// Paid up to its expiry date.
    Active,
    /// Being renewed right now.
    Renewing,
    /// A renewal failed; it may still be recovered.
    PastDue,
    /// Cancelled for good.
    Cancelled,
    /// Not recovered in time.
    Expired,
}

fn some_milliseconds<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => milliseconds(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// RFC 3339 with exactly three decimals, the provider's format.
fn milliseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}
