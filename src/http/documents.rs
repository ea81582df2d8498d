//! Schemas for the types of lower layers, which do not depend on the API document. A test validates every answer of the
//! service against the document, and so these schemas too.
#![expect(dead_code, reason = "they are described, and never made")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::extract::one_of;

/// What became of a webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WebhookOutcome {
    /// It is a new event now.
    Recorded,
    /// It had been recorded before, with the same content.
    Duplicate,
    /// It could not be used and is kept, sealed, as a quarantined event.
    Quarantined,
}

/// What can be said of the signature on an original.
#[derive(Serialize, ToSchema)]
#[serde(tag = "result", rename_all = "camelCase")]
pub(super) enum SignatureFinding {
    /// One of the source's keys gives it.
    Valid {
        /// Which: 1 is the first one in the settings.
        key: usize,
        /// What is signed.
        scheme: String,
        /// Whether the time of sending is part of what is signed.
        #[serde(rename = "timestampIsSigned")]
        timestamp_is_signed: bool,
        /// The time of sending that the headers name.
        #[serde(rename = "sentAt", skip_serializing_if = "Option::is_none")]
        sent_at: Option<Timestamp>,
    },
    /// None of today's keys gives it: the key was retired, or is not that of the sender.
    NoKeyMatches,
    /// It was taken in without a signature, on an operator's word.
    Unsigned,
    /// The source is not configured any more.
    UnknownSource,
}

/// Everything about it but the body.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    /// The event's position.
    position: u64,
    /// The sender's id of it.
    event_id: String,
    /// Who sent it.
    source: String,
    /// The stored event type.
    #[serde(rename = "type")]
    type_name: String,
    /// When it was recorded.
    recorded_at: Timestamp,
    /// What its signature says by today's keys.
    signature: SignatureFinding,
    /// The headers that were kept: those of the signature, the content type, the sender's program.
    headers: BTreeMap<String, String>,
    /// The length of the body in bytes.
    size: usize,
}

/// Which events pass: those that meet every condition. Without any, all do.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct EventFilter {
    /// Only events of one of these stored types; any type if there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    /// Only events of streams of this category, the part of the name before the first `-`, e.g. `order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    /// Only events of this stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Only events that are about this user, by the `userId` of an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
}

/// How a projection is doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectionStatus {
    /// The projection.
    name: String,
    /// The version of its code.
    version: u32,
    /// The version that made the rows which are served.
    live_version: Option<u32>,
    /// The generation that is served.
    generation: Option<i64>,
    /// The position up to which it is folded.
    position: u64,
    /// How many events it is behind.
    lag: u64,
    /// For how many seconds the oldest event that is not folded yet has waited.
    lag_seconds: f64,
    /// Its rows.
    rows: u64,
    /// `live`; `rebuilding` while a new generation is filled; `stale` while the rows are those of another version;
    /// `failing` while an event cannot be folded; `missing` before its first start.
    state: String,
    /// Parked rows: an event could not be folded into them; `GET /api/v1/projections/{name}/parked`
    /// lists them.
    parked: u64,
    /// Events a second that were folded in the last ten seconds: into the new generation while there is one, else into
    /// the one that is served. Null while it is not known yet.
    rate: Option<f64>,
    /// The position that the new generation has reached, while there is one.
    rebuilt_to: Option<u64>,
    /// Why it is failing, or why its last rebuild in this process failed, which is tried again.
    error: Option<String>,
}

/// What changed in one row after one position and up to another.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diff {
    /// The projection.
    projection: String,
    /// The row.
    key: String,
    /// The position before the changes.
    from: u64,
    /// The position after the changes.
    to: u64,
    /// The fields that an event changed, by path.
    changes: Vec<Change>,
}

/// A field that changed; before and after are the same where it was changed back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    /// Where the field stands in the row, e.g. `/domains/example.com/status`: a JSON Pointer (RFC 6901), but that the
    /// items of a list go by their `domain` or `mailboxId` where they have one, so that they keep their names.
    path: String,
    /// Its value at `from`; null where there was none.
    before: Value,
    /// Its value at `to`; null where there is none.
    after: Value,
    /// The events that changed it, oldest first.
    events: Vec<ChangedBy>,
}

/// An event that changed a field.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedBy {
    /// Its position.
    position: u64,
    /// What happened.
    #[serde(rename = "type")]
    type_name: String,
    /// When it was recorded.
    recorded_at: Timestamp,
    /// The sender's id of it.
    event_id: String,
    /// Who sent it.
    source: String,
    /// What it made of the field; null where it removed it.
    value: Value,
}

/// How a named consumer is doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsumerStatus {
    /// Its name.
    name: String,
    /// What it reads; without any condition, everything.
    filter: EventFilter,
    /// Its checkpoint: it is done with everything up to this position.
    position: u64,
    /// Whose it is: a token's id, or `admin`. Only they, and tokens with the scope `operate`, may change it. Null of one that was made
    /// before this was kept, which anybody may change, and of the relay's.
    owner: Option<String>,
    /// How many events have been recorded after its checkpoint, whether its filter lets them pass or not.
    lag: u64,
    /// For how many seconds the oldest of them has waited.
    lag_seconds: f64,
    /// When it was made.
    created_at: Timestamp,
    /// When its filter or its checkpoint was last set.
    updated_at: Timestamp,
    /// When it last read or committed, to some seconds. The relay's: when NATS last had everything that it was sent.
    last_seen_at: Option<Timestamp>,
}

/// An event in the JSON format of CloudEvents 1.0. Nothing that is sealed is in it.
#[derive(Serialize, ToSchema)]
pub(super) struct CloudEvent {
    /// The version of CloudEvents.
    specversion: String,
    /// The sender's id of the event; unique together with `source`.
    id: String,
    /// Where it came in: `/webhooks/<source>`, or `/api/v1/access` for what somebody did with the ledger; a URI reference
    /// relative to this service.
    source: String,
    /// What happened, as it is stored.
    r#type: String,
    /// When it was recorded.
    time: Timestamp,
    /// Its stream.
    subject: String,
    /// Of `data`.
    datacontenttype: String,
    /// The plain facts, byte for byte as they are stored.
    #[schema(value_type = Object)]
    data: Value,
    /// Extension: its place in the ledger, 1, 2, 3, … without gaps.
    position: u64,
    /// Extension: its stream, as in `subject`.
    stream: String,
    /// Extension: its place in the stream, 1, 2, 3, …
    version: u32,
    /// Extension: the version of the shape of `data`.
    schemaversion: u32,
}

pub(super) fn order_statuses() -> Object {
    one_of(
        "`fulfilled` if every domain that is known got mailboxes, `failed` if none did, `partial` if some did.",
        &["pending", "fulfilled", "partial", "failed"],
    )
}

pub(super) fn subscription_statuses() -> Object {
    one_of(
        "The state of the subscription.",
        &[
            "unknown",
            "active",
            "renewing",
            "renewalFailed",
            "pastDue",
            "expired",
            "cancelled",
        ],
    )
}

fn domain_statuses() -> Object {
    one_of("What became of the domain.", &["assigned", "failed", "pending"])
}

/// An order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    /// The order.
    order_id: String,
    /// Who ordered.
    user_id: Option<String>,
    /// Google, Microsoft, …, as the provider writes it.
    service_provider: Option<String>,
    /// What became of it.
    #[schema(schema_with = order_statuses)]
    status: projections::orders::OrderStatus,
    /// Why it failed as a whole.
    reason: Option<String>,
    /// Its domains, by name.
    domains: Vec<OrderDomain>,
    /// What it cost, a decimal number without a currency; null if no event says so.
    spend: Option<String>,
    /// The positions of its webhooks with fields or parts that could not be read; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<u64>,
    /// When the first of its webhooks was recorded.
    first_recorded_at: Option<Timestamp>,
    /// When the last of its webhooks was recorded.
    last_recorded_at: Option<Timestamp>,
    /// The position of the first of its webhooks.
    first_position: Option<u64>,
    /// Whether its user was erased since: what was personal about it can no longer be opened.
    erased: bool,
}

/// A domain of an order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderDomain {
    /// The domain.
    domain: String,
    /// What became of it.
    #[schema(schema_with = domain_statuses)]
    status: projections::DomainStatus,
    /// The subscription that pays for its mailboxes.
    subscription_id: Option<String>,
    /// How many mailboxes it got.
    mailbox_count: usize,
    /// Why it failed, while it stands as failed.
    reason: Option<String>,
}

/// A subscription and its renewals.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Renewal {
    /// The subscription.
    subscription_id: String,
    /// What it is for.
    domain: Option<String>,
    /// The order that opened it.
    order_id: Option<String>,
    /// Whose it is.
    user_id: Option<String>,
    /// Google, Microsoft, …, as the provider writes it.
    service_provider: Option<String>,
    /// How many mailboxes it holds.
    mailbox_count: u32,
    /// The last known end of what is paid for.
    expiry_date: Option<Timestamp>,
    /// When it is due: the same.
    due: Option<Timestamp>,
    /// Whether that is up to date: not if it was renewed since by an event that did not say until when.
    expiry_known: bool,
    /// From today (of an answer as of an earlier moment: from that day) to the day on which it runs out, both in UTC: 0
    /// on that day, negative after it; null while the end is not known.
    days_left: Option<i32>,
    /// Its state.
    #[schema(schema_with = subscription_statuses)]
    status: projections::SubscriptionStatus,
    /// Whether it renews by itself.
    auto_renew: Option<bool>,
    /// When it was last renewed.
    last_renewal: Option<Timestamp>,
    /// How many renewals were reported.
    renewals: u32,
    /// How many failed renewals were reported.
    failures: u32,
    /// When the latest failure was reported: of a renewal, of a payment, or the end.
    last_failure_at: Option<Timestamp>,
    /// Why the newest failure came about.
    last_failure_reason: Option<String>,
    /// When it began, as far as events tell.
    since: Option<Timestamp>,
    /// The positions of its events with fields that could not be read; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<u64>,
    /// How likely it is that the next renewal fails: `none`, `low` or `high`.
    risk: String,
    /// Why: `domainInGrace`, `domainExpired`, `domainEndsFirst`, `pastDue`, `renewalFailed`, `autoRenewOff` make it
    /// high; `failedBefore`, `walletFailures` (of any customer, in the last 35 days), `endUnknown` and `priceStep`
    /// (the first renewal after 12 months) make it low.
    risk_reasons: Vec<String>,
}

/// Subscriptions that share a day or a customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RenewalSum {
    /// The day or the customer; null where it is not known.
    pub(super) value: Option<String>,
    /// How many subscriptions.
    pub(super) count: usize,
    /// How many mailboxes they hold.
    pub(super) mailboxes: u64,
    /// How many of them are at low risk.
    pub(super) low_risk: usize,
    /// How many of them are at high risk.
    pub(super) high_risk: usize,
}

/// A row, or a sum with `groupBy`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RenewalOrSum {
    /// Without `groupBy`.
    Row(Box<Renewal>),
    /// With `groupBy`.
    Sum(RenewalSum),
}

pub(super) fn registration_statuses() -> Object {
    one_of(
        "The state of the registration: `grace` while it ended and can still be renewed, `expired` once it is lost, \
         `failed` if it could not be registered.",
        &["unknown", "failed", "active", "renewalFailed", "grace", "expired"],
    )
}

/// The registration of a domain. It lives apart from the subscriptions of the mailboxes under it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration {
    /// The domain, in its ASCII form.
    domain: String,
    /// The provider's id of the registration.
    domain_id: Option<String>,
    /// The order that registered it.
    order_id: Option<String>,
    /// Whose it is.
    user_id: Option<String>,
    /// Its state.
    #[schema(schema_with = registration_statuses)]
    status: projections::domains::RegistrationStatus,
    /// The last known end of the registration.
    expiry_date: Option<Timestamp>,
    /// Whether that is up to date: not if it was renewed since by an event that did not say until when.
    expiry_known: bool,
    /// Until when it can be renewed: 7 days after its end.
    grace_until: Option<Timestamp>,
    /// Whether it renews by itself.
    auto_renew: Option<bool>,
    /// When it was last renewed.
    last_renewal: Option<Timestamp>,
    /// How many renewals were reported.
    renewals: u32,
    /// How many failed renewals were reported.
    failures: u32,
    /// When the latest failure was reported.
    last_failure_at: Option<Timestamp>,
    /// Why the newest failure came about.
    last_failure_reason: Option<String>,
    /// What its registrations and renewals cost, a decimal number without a currency; null if no event says so.
    spend: Option<String>,
    /// When a DNS record was last changed.
    dns_changed_at: Option<Timestamp>,
    /// The position of that change.
    dns_changed_by: Option<u64>,
    /// How many changes of DNS records were reported.
    dns_changes: u32,
    /// The positions of its events with fields that could not be read; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<u64>,
}

pub(super) fn failure_kinds() -> Object {
    one_of(
        "What failed: a domain of a pre-warmed order, a renewal or its payment, a registration, an ordinary order of \
         mailboxes, or the reading of a webhook or of a part of one.",
        &["assignment", "renewal", "domain", "mailboxOrder", "quarantined"],
    )
}

pub(super) fn failure_filters() -> Object {
    one_of(
        "What failed: as `kind` of a failure; or `refused`, for webhooks that were refused.",
        &[
            "assignment",
            "renewal",
            "domain",
            "mailboxOrder",
            "quarantined",
            "refused",
        ],
    )
}

/// A webhook that was refused. What it claims, anybody may have made up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusedFailure {
    /// `refused`.
    #[schema(value_type = String)]
    pub(super) kind: &'static str,
    /// Why, in one word: see `/api/v1/deliveries`.
    pub(super) cause: Option<String>,
    /// When it was answered.
    pub(super) happened_at: Timestamp,
    /// The source that it claims to be of.
    pub(super) source: String,
    /// The event id that it claims.
    pub(super) event_id: Option<String>,
    /// Its number in the list of deliveries.
    pub(super) delivery: Option<u64>,
    /// When a webhook with that event id was recorded, if that was later.
    pub(super) resolved_at: Option<Timestamp>,
}

/// One failure.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    /// What failed.
    #[schema(schema_with = failure_kinds)]
    kind: projections::failures::FailureKind,
    /// The order: that of the webhook, or of the subscription.
    order_id: Option<String>,
    /// Where the order is to be found.
    order_url: Option<String>,
    /// The domain; null if an order failed as a whole.
    domain: Option<String>,
    /// The subscription whose renewal failed.
    subscription_id: Option<String>,
    /// The provider's words; why a webhook could not be used.
    reason: Option<String>,
    /// What they mean: `wallet`, `unavailable`, `registration` or `other`.
    cause: String,
    /// Google, Microsoft, …, as the provider writes it.
    service_provider: Option<String>,
    /// The customer.
    user_id: Option<String>,
    /// How many mailboxes the failure hits; null where none are known.
    mailboxes: Option<u64>,
    /// When something later made it good; null while it is open. A quarantined webhook is not made good by another one.
    resolved_at: Option<Timestamp>,
    /// The position of the event.
    position: u64,
    /// Where the event is to be found, with the scope `audit`.
    event_url: String,
    /// The sender's id of the event.
    event_id: String,
    /// Who sent it.
    source: String,
    /// When the provider sent it; when it was recorded, where the sender did not say.
    happened_at: Timestamp,
    /// When it was recorded.
    recorded_at: Timestamp,
    /// The day on which it happened, UTC.
    #[schema(value_type = String, format = Date)]
    day: jiff::civil::Date,
}

/// How many failures share a value.
#[derive(Serialize, ToSchema)]
pub(super) struct FailureCount {
    /// The value; null where the failures have none.
    value: Option<String>,
    /// How many failures.
    count: i64,
}

/// A row, or a count with `groupBy`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum FailureItem {
    /// Without `groupBy`.
    Row(Box<Failure>),
    /// With `groupBy`.
    Count(FailureCount),
    /// With `kind=refused`.
    Refused(RefusedFailure),
}
