//! Everything that failed: domains of pre-warmed orders, renewals, registrations, ordinary orders of mailboxes, and
//! webhooks or parts of them that could not be used. Also what was made good later. Key: `<source>/<event id>/<index>`,
//! where the index counts the failures of a webhook from 0, those of its quarantined parts last.
//!
//! A webhook that fails its order as a whole has one row without a domain. Whether a subscription's event names a domain
//! or an order can depend on earlier arrivals, so its row has neither; readers find them by the subscription.

use std::borrow::Cow;

use aggregates::{
    Domain, EventId, OrderEvent, OrderId, Position, Recorded, ServiceProvider, Source, SubscriptionId, UserId,
};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::assignment::failures;
use crate::{Column, Keys, Kind, Origin, Projection, Row, Value, Verdict};

/// The projection.
pub struct Failures;

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailureKind {
    /// A domain of a pre-warmed order, or the whole order.
    Assignment,
    /// The renewal of a subscription, or its payment.
    Renewal,
    /// The registration of a domain, or its renewal.
    Domain,
    /// An ordinary order of mailboxes.
    MailboxOrder,
    /// A webhook, or a part of one, could not be used.
    Quarantined,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Assignment,
        Self::Renewal,
        Self::Domain,
        Self::MailboxOrder,
        Self::Quarantined,
    ];

    /// Its name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assignment => "assignment",
            Self::Renewal => "renewal",
            Self::Domain => "domain",
            Self::MailboxOrder => "mailboxOrder",
            Self::Quarantined => "quarantined",
        }
    }
}

impl From<FailureKind> for Value {
    fn from(kind: FailureKind) -> Self {
        kind.as_str().into()
    }
}

/// The cause that the provider's words mean. New words are [`Self::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// The wallet has not enough money.
    Wallet,
    /// What was ordered is not available.
    Unavailable,
    /// The domain's registration is in its grace period, or lost.
    Registration,
    /// Anything else.
    Other,
}

impl Cause {
    /// Its name in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Unavailable => "unavailable",
            Self::Registration => "registration",
            Self::Other => "other",
        }
    }

    /// A quarantined webhook has the ledger's own words, which may quote an event id.
    fn of(kind: FailureKind, reason: Option<&str>) -> Self {
        if kind == FailureKind::Quarantined {
            return Self::Other;
        }
        let reason = reason.unwrap_or_default().to_lowercase();
        let says = |word| reason.contains(word);
        if says("wallet") {
            Self::Wallet
        } else if says("grace") || says("expired") {
            Self::Registration
        } else if says("not available") {
            Self::Unavailable
        } else {
            Self::Other
        }
    }
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// What failed.
    pub kind: FailureKind,
    /// The order that its webhook names.
    pub order_id: Option<OrderId>,
    /// The domain; absent if the order failed as a whole.
    pub domain: Option<Domain>,
    /// The subscription whose renewal failed.
    pub subscription_id: Option<SubscriptionId>,
    /// The provider's words; why a webhook could not be used.
    pub reason: Option<String>,
    /// What they mean.
    pub cause: Cause,
    /// Google, Microsoft, …
    pub service_provider: Option<ServiceProvider>,
    /// The user whom its webhook names.
    pub user_id: Option<UserId>,
    /// The position of the event.
    pub position: Position,
    /// The source that sent it.
    pub source: Source,
    /// The sender's event id.
    pub event_id: EventId,
    /// When the provider sent it; when it was recorded, if the sender did not say.
    pub happened_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The day of `happened_at`, UTC.
    pub day: Date,
}

/// What a webhook says of one failure.
struct Told<'a> {
    kind: FailureKind,
    domain: Option<&'a Domain>,
    subscription_id: Option<&'a SubscriptionId>,
    reason: Option<Cow<'a, str>>,
    service_provider: Option<&'a ServiceProvider>,
}

impl<'a> Told<'a> {
    fn of(kind: FailureKind, domain: Option<&'a Domain>, reason: Option<&'a String>) -> Self {
        Self {
            kind,
            domain,
            subscription_id: None,
            reason: reason.map(|reason| reason.as_str().into()),
            service_provider: None,
        }
    }
}

/// How many failures a webhook tells of, besides its quarantined parts.
fn own_failures(event: &OrderEvent) -> usize {
    match event {
        OrderEvent::AssignmentFailed(facts) => failures(facts).len(),
        OrderEvent::SubscriptionRenewalFailed(_)
        | OrderEvent::SubscriptionPastDue(_)
        | OrderEvent::DomainRegistrationFailed(_)
        | OrderEvent::DomainRenewalFailed(_)
        | OrderEvent::MailboxOrderFailed(_)
        | OrderEvent::WebhookQuarantined(_) => 1,
        _ => 0,
    }
}

/// One failure in a webhook, by its index. A webhook may tell of thousands, and this is called for each.
fn told(event: &OrderEvent, index: usize) -> Option<Told<'_>> {
    let own = own_failures(event);
    if index >= own {
        let part = event.quarantined_parts().get(index - own)?;
        let reason = format!("{} {}", part.path, part.detail);
        return Some(Told {
            reason: Some(reason.into()),
            ..Told::of(FailureKind::Quarantined, None, None)
        });
    }
    Some(match event {
        OrderEvent::AssignmentFailed(facts) => {
            let failure = failures(facts).get(index)?;
            Told {
                service_provider: facts.service_provider.as_ref(),
                ..Told::of(
                    FailureKind::Assignment,
                    failure.domain.as_ref(),
                    failure.reason.as_ref(),
                )
            }
        }
        OrderEvent::SubscriptionRenewalFailed(facts) | OrderEvent::SubscriptionPastDue(facts) => Told {
            subscription_id: Some(&facts.subscription_id),
            service_provider: facts.service_provider.as_ref(),
            ..Told::of(FailureKind::Renewal, None, facts.reason.as_ref())
        },
        OrderEvent::DomainRegistrationFailed(facts) | OrderEvent::DomainRenewalFailed(facts) => {
            Told::of(FailureKind::Domain, Some(&facts.domain), facts.reason.as_ref())
        }
        OrderEvent::MailboxOrderFailed(facts) => Told {
            service_provider: facts.service_provider.as_ref(),
            ..Told::of(FailureKind::MailboxOrder, facts.domain.as_ref(), facts.reason.as_ref())
        },
        OrderEvent::WebhookQuarantined(facts) => Told::of(FailureKind::Quarantined, None, Some(&facts.detail)),
        _ => return None,
    })
}

impl Projection for Failures {
    const NAME: &'static str = "failures";
    const VERSION: u32 = 2;
    const COLUMNS: &'static [Column] = &[
        Column::new("kind", Kind::Text).indexed_unless("assignment"),
        Column::new("order_id", Kind::Text).nullable(),
        Column::new("domain", Kind::Text).nullable().indexed(),
        Column::new("subscription_id", Kind::Text).nullable(),
        // no index: the provider's reason can exceed the size of an index entry
        Column::new("reason", Kind::Text).nullable(),
        Column::new("cause", Kind::Text).indexed_unless("other"),
        Column::new("service_provider", Kind::Text).nullable(),
        Column::new("user_id", Kind::Text).nullable().indexed(),
        Column::new("position", Kind::Integer).indexed(),
        Column::new("source", Kind::Text),
        Column::new("event_id", Kind::Text),
        Column::new("happened_at", Kind::Timestamp),
        Column::new("recorded_at", Kind::Timestamp),
        Column::new("day", Kind::Date).indexed(),
    ];
    /// `None` only before the row's one event is folded.
    type View = Option<Failure>;

    fn keys(event: &Recorded) -> Keys {
        let Some(order) = event.order() else {
            return Keys::none();
        };
        (0..own_failures(order) + order.quarantined_parts().len())
            .map(|index| format!("{}/{}/{index}", event.source, event.event_id))
            .collect()
    }

    fn origin(key: &str) -> Option<Origin> {
        let (event, _) = key.rsplit_once('/')?;
        let (source, event_id) = event.split_once('/')?;
        Some(Origin::Event(
            Source::parse(source).ok()?,
            EventId::parse(event_id).ok()?,
        ))
    }

    fn apply(view: &mut Option<Failure>, key: &str, event: &Recorded) -> Verdict {
        let Some(order) = event.order() else {
            return Verdict::Remove;
        };
        let index = key.rsplit_once('/').and_then(|(_, index)| index.parse::<usize>().ok());
        let Some(failure) = index.and_then(|index| told(order, index)) else {
            return Verdict::Remove;
        };
        let kind = failure.kind;
        let happened_at = event.happened_at();
        // which order a subscription's event names can depend on earlier arrivals
        let order_id = order.order_id().filter(|_| kind != FailureKind::Renewal);
        *view = Some(Failure {
            kind,
            order_id: order_id.cloned(),
            domain: failure.domain.cloned(),
            subscription_id: failure.subscription_id.cloned(),
            cause: Cause::of(kind, failure.reason.as_deref()),
            reason: failure.reason.map(Cow::into_owned),
            service_provider: failure.service_provider.cloned(),
            user_id: order.user_id().cloned(),
            position: event.position,
            source: event.source.clone(),
            event_id: event.event_id.clone(),
            happened_at,
            recorded_at: event.recorded_at,
            day: Offset::UTC.to_datetime(happened_at).date(),
        });
        Verdict::Keep
    }

    fn columns(view: &Option<Failure>, _: &str) -> Row {
        let Some(failure) = view else {
            return vec![Value::Null; Self::COLUMNS.len()];
        };
        vec![
            failure.kind.into(),
            failure.order_id.as_ref().map(OrderId::as_str).into(),
            failure.domain.as_ref().map(Domain::as_str).into(),
            failure.subscription_id.as_ref().map(SubscriptionId::as_str).into(),
            failure.reason.as_ref().into(),
            failure.cause.as_str().into(),
            failure
                .service_provider
                .as_ref()
                .map(|provider| provider.0.as_str())
                .into(),
            failure.user_id.as_ref().map(UserId::as_str).into(),
            Value::count(failure.position.0),
            failure.source.as_str().into(),
            failure.event_id.as_str().into(),
            failure.happened_at.into(),
            failure.recorded_at.into(),
            failure.day.into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use aggregates::QuarantinedPart;

    use super::*;
    use crate::testing::{SOURCE, assigned, failed, given, mailbox_order, quarantined, registration, subscription};

    fn key(event_id: &str, index: usize) -> String {
        format!("{SOURCE}/{event_id}/{index}")
    }

    #[test]
    fn every_failed_domain_of_a_webhook_has_its_row() {
        given::<Failures>([failed("E1", "O1")
            .fails("a.com", "Pre-warmed mailboxes not available")
            .fails("b.com", "Insufficient wallet balance")
            .user("U1")
            .provider("GOOGLE")
            .sent("2025-10-27T23:59:59Z")
            .recorded("2025-10-28T00:00:01Z")])
        .then_columns(
            &key("E1", 0),
            &[
                ("order_id", "O1".into()),
                ("domain", "a.com".into()),
                ("reason", "Pre-warmed mailboxes not available".into()),
                ("service_provider", "GOOGLE".into()),
                ("user_id", "U1".into()),
                ("position", 1_i64.into()),
                ("event_id", "E1".into()),
                ("day", jiff::civil::date(2025, 10, 27).into()),
            ],
        )
        .then_columns(&key("E1", 1), &[("domain", "b.com".into())])
        .then_row_count(2);
    }

    #[test]
    fn a_failure_stays_when_its_domain_is_assigned_after_all() {
        given::<Failures>([
            failed("E1", "O1").fails("a.com", "Pre-warmed mailboxes not available"),
            assigned("E2", "O1").domain("a.com", "S1", &["M1"]),
        ])
        .then_row_count(1);
    }

    #[test]
    fn an_order_that_failed_as_a_whole_has_a_row_without_a_domain() {
        given::<Failures>([
            failed("E1", "O1").fails_whole("Insufficient wallet balance"),
            failed("E2", "O2"),
        ])
        .then_columns(
            &key("E1", 0),
            &[
                ("domain", Value::Null),
                ("reason", "Insufficient wallet balance".into()),
            ],
        )
        .then_columns(&key("E2", 0), &[("domain", Value::Null), ("reason", Value::Null)]);
    }

    #[test]
    fn everything_that_fails_has_its_row_with_its_kind_and_cause() {
        let mut broken = assigned("E6", "O2").domain("a.com", "S1", &["M1"]);
        if let OrderEvent::MailboxesAssigned(facts) = &mut broken.event {
            facts.quarantined_parts = vec![QuarantinedPart {
                detail: "is not an object".to_owned(),
                path: "data.mailboxDetails[1]".to_owned(),
            }];
        }
        let failures = given::<Failures>([
            subscription("E1", OrderEvent::SubscriptionRenewalFailed, "S1").with(|facts| {
                facts.reason = Some("Linked domain is in GRACE_PERIOD".to_owned());
                facts.domain = Domain::normalise("a.com").ok();
                facts.order_id = OrderId::parse("O1").ok();
            }),
            subscription("E2", OrderEvent::SubscriptionPastDue, "S1")
                .with(|facts| facts.reason = Some("Insufficient wallet balance".to_owned())),
            registration("E3", OrderEvent::DomainRegistrationFailed, "a.com", None)
                .of_registration(|facts| facts.reason = Some("Domain is not available".to_owned())),
            mailbox_order("E4", OrderEvent::MailboxOrderFailed, "O1", "a.com", ""),
            quarantined("E5"),
            broken,
        ]);
        let row = |id: &str| failures.view(&key(id, 0)).clone().unwrap();
        let found: Vec<_> = ["E1", "E2", "E3", "E4", "E5", "E6"]
            .into_iter()
            .map(|id| (row(id).kind.as_str(), row(id).cause.as_str(), row(id).domain.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                ("renewal", "registration", false),
                ("renewal", "wallet", false),
                ("domain", "unavailable", true),
                ("mailboxOrder", "other", true),
                ("quarantined", "other", false),
                ("quarantined", "other", false),
            ]
        );
        assert_eq!(row("E1").subscription_id.unwrap().as_str(), "S1");
        assert_eq!(row("E1").order_id, None);
        assert_eq!(row("E6").order_id.unwrap().as_str(), "O2");
        assert_eq!(row("E6").reason.unwrap(), "data.mailboxDetails[1] is not an object");
        failures.then_row_count(6);
    }

    #[test]
    fn an_order_whose_entries_were_all_set_aside_has_not_failed_as_a_whole() {
        let mut broken = failed("E1", "O1");
        if let OrderEvent::AssignmentFailed(facts) = &mut broken.event {
            facts.quarantined_parts = vec![QuarantinedPart {
                detail: "is not an object".to_owned(),
                path: "data.failedOrders[0]".to_owned(),
            }];
        }
        given::<Failures>([broken])
            .then_columns(&key("E1", 0), &[("kind", "quarantined".into())])
            .then_row_count(1);
    }
}
