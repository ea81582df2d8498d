//! Random histories of a few orders. Names are few, so that webhooks meet: in one order, one domain, one subscription,
//! also where a well-behaved provider would not let them.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregates::{
    CredentialKind, Domain, DomainFacts, MailboxFacts, MailboxId, MailboxOrderFacts, OrderEvent, OrderId,
    PersonalField, SubscriptionFacts, SubscriptionId,
};
use jiff::{SignedDuration, Timestamp};
use projections::testing::{
    Delivery, assigned, created, dns_updated, failed, happened, mailbox_order, quarantined, registration, subscription,
    time, unrecognised, updated,
};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// Webhooks in their order of arrival.
pub(crate) type History = Vec<Delivery>;

const KINDS: &[fn(SubscriptionFacts) -> OrderEvent] = &[
    OrderEvent::SubscriptionRenewing,
    OrderEvent::SubscriptionRenewed,
    OrderEvent::SubscriptionRenewalFailed,
    OrderEvent::SubscriptionPastDue,
    OrderEvent::SubscriptionExpired,
    OrderEvent::SubscriptionUpdated,
    OrderEvent::SubscriptionCancelled,
];

/// Up to 16 realistic webhooks: no two of a kind are sent in the same second, though two of different kinds may be.
/// Ties of the provider's clock depend on the order of arrival: [`coarse_history`] has them.
pub(crate) fn history() -> impl Strategy<Value = History> {
    coarse_history().prop_map(|mut history| {
        let (mut sent, mut recorded) = (BTreeSet::new(), BTreeSet::new());
        let second = SignedDuration::from_secs(1);
        for delivery in &mut history {
            while let Some(at) = delivery
                .event
                .sent_at()
                .filter(|at| !sent.insert((kind(delivery), *at)))
            {
                delivery.event.set_sent_at(at + second);
            }
            let is_timed = delivery.event.sent_at().is_some();
            while recorded.contains(&delivery.recorded_at)
                || (!is_timed && sent.contains(&(kind(delivery), delivery.recorded_at)))
            {
                delivery.recorded_at += second;
            }
            recorded.insert(delivery.recorded_at);
            if !is_timed {
                sent.insert((kind(delivery), delivery.recorded_at));
            }
        }
        history
    })
}

/// The kind that must be unique within a second: a change of a mailbox and one of a subscription never conflict.
fn kind(delivery: &Delivery) -> &'static str {
    delivery.event.type_name()
}

/// Up to 16 webhooks, each with its own id and times, many of which are equal.
pub(crate) fn coarse_history() -> impl Strategy<Value = History> {
    prop::collection::vec((webhook(), times()), 1..16).prop_map(|webhooks| {
        let numbered = (1..).zip(webhooks);
        numbered
            .map(|(number, (delivery, (sent, recorded)))| {
                let mut delivery = match sent {
                    Some(sent) => delivery.sent(&sent.to_string()),
                    None => delivery,
                };
                delivery.event_id = format!("E{number}");
                delivery.recorded_at = recorded;
                delivery
            })
            .collect()
    })
}

/// When a webhook is sent (unless its sender does not say), and when it is recorded: from few instants, so that some
/// are equal.
fn times() -> impl Strategy<Value = (Option<Timestamp>, Timestamp)> {
    (weighted(0.9, instant()), instant())
}

/// Instants around the ends of the periods, within the grace period and outside.
fn instant() -> impl Strategy<Value = Timestamp> {
    let start = time("2025-10-27T20:00:00Z");
    (0_i64..40).prop_map(move |step| start + SignedDuration::from_hours(step * 2 * 24))
}

fn end_of_period() -> impl Strategy<Value = Timestamp> {
    let first = time("2025-11-27T20:00:00Z");
    (0_i64..3).prop_map(move |month| first + SignedDuration::from_hours(month * 30 * 24))
}

fn name(names: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    select(names)
}

fn order() -> impl Strategy<Value = &'static str> {
    name(&["O1", "O2", "O3"])
}

fn domain() -> impl Strategy<Value = &'static str> {
    name(&["a.com", "b.com", "c.com"])
}

fn subscription_id() -> impl Strategy<Value = &'static str> {
    name(&["S1", "S2", "S3", "S4"])
}

fn mailbox() -> impl Strategy<Value = &'static str> {
    name(&["M1", "M2", "M3", "M4", "M5", ""])
}

fn named_mailbox() -> impl Strategy<Value = &'static str> {
    name(&["M1", "M2", "M3"])
}

fn reason() -> impl Strategy<Value = &'static str> {
    name(&["Pre-warmed mailboxes not available", "Insufficient wallet balance"])
}

fn webhook() -> impl Strategy<Value = Delivery> {
    let anyone = (
        weighted(0.8, name(&["U1", "U2"])),
        weighted(0.5, name(&["GOOGLE", "MICROSOFT"])),
    );
    let known = prop_oneof![3 => success(), 2 => failure(), 6 => of_subscription()];
    let known = (known, anyone).prop_map(|(mut delivery, (user, provider))| {
        if let Some(user) = user {
            delivery = delivery.user(user);
        }
        if let Some(provider) = provider {
            delivery = delivery.provider(provider);
        }
        delivery
    });
    prop_oneof![
        11 => known,
        3 => of_mailbox(),
        4 => of_domain(),
        2 => of_mailbox_order(),
        1 => unknown(),
        1 => Just(quarantined("E")),
    ]
}

/// The registrations of few domains, some of which orders were assigned, and changes of their DNS records.
fn of_domain() -> impl Strategy<Value = Delivery> {
    let kinds: &'static [fn(DomainFacts) -> OrderEvent] = &[
        OrderEvent::DomainRegistered,
        OrderEvent::DomainRegistrationFailed,
        OrderEvent::DomainRenewed,
        OrderEvent::DomainRenewalFailed,
        OrderEvent::DomainGracePeriodBegan,
        OrderEvent::DomainExpired,
    ];
    let names = (
        select(kinds),
        domain(),
        weighted(0.8, end_of_period()),
        weighted(0.3, order()),
    );
    let rest = (
        weighted(0.5, any::<bool>()),
        weighted(0.3, reason()),
        weighted(0.5, 0_u32..3),
        any::<bool>(),
    );
    let registration = (names, rest).prop_map(|((kind, domain, end, order), (auto_renew, reason, price, odd))| {
        registration("E", kind, domain, None).of_registration(|facts| {
            facts.expiry_date = end;
            facts.order_id = order.and_then(|id| OrderId::parse(id).ok());
            facts.auto_renew = auto_renew;
            facts.reason = reason.map(str::to_owned);
            facts.price = price.and_then(|price| format!("{price}.88").parse().ok());
            facts.unreadable = if odd {
                vec!["data.domainId".to_owned()]
            } else {
                Vec::new()
            };
        })
    });
    prop_oneof![4 => registration, 1 => domain().prop_map(|domain| dns_updated("E", domain))]
}

/// Ordinary orders of mailboxes.
fn of_mailbox_order() -> impl Strategy<Value = Delivery> {
    let kinds: &'static [fn(MailboxOrderFacts) -> OrderEvent] =
        &[OrderEvent::MailboxOrderAccepted, OrderEvent::MailboxOrderFailed];
    let names = (order(), prop_oneof![4 => domain(), 1 => Just("")], subscription_id());
    (
        select(kinds),
        names,
        weighted(0.6, end_of_period()),
        weighted(0.5, 1_u32..5),
    )
        .prop_map(|(kind, (order, domain, subscription), end, quantity)| {
            let mut delivery = mailbox_order("E", kind, order, domain, subscription);
            if let OrderEvent::MailboxOrderAccepted(facts) = &mut delivery.event {
                facts.expiry_date = end;
                facts.quantity = quantity;
                facts.price = "11.5".parse().ok();
            }
            delivery
        })
}

/// A mailbox created outside of an assignment, perhaps without a known order, or changed.
fn of_mailbox() -> impl Strategy<Value = Delivery> {
    let order = prop_oneof![4 => order(), 1 => Just("")];
    let made = (named_mailbox(), order, domain(), subscription_id());
    let made = made.prop_map(|(id, order, domain, subscription)| created("E", id, order, domain, subscription));
    let credentials = prop::sample::subsequence(
        vec![
            CredentialKind::AppPassword,
            CredentialKind::AuthenticatorSecret,
            CredentialKind::Password,
        ],
        0..=3,
    );
    let personal = prop::sample::subsequence(vec![PersonalField::Email, PersonalField::FirstName], 0..=2);
    let changed = (named_mailbox(), credentials, personal, any::<bool>());
    let changed = changed.prop_map(|(id, credentials, personal, old)| {
        let mut delivery = updated("E", id, &credentials, &personal);
        if let OrderEvent::MailboxUpdated(facts) = &mut delivery.event {
            facts.may_be_blank = old;
        }
        delivery
    });
    let kinds: &'static [fn(MailboxFacts) -> OrderEvent] = &[
        OrderEvent::MailboxExported,
        OrderEvent::MailboxWarmupStarted,
        OrderEvent::MailboxWarmupRemoved,
    ];
    let life = (select(kinds), named_mailbox()).prop_map(|(kind, id)| happened("E", kind, id));
    prop_oneof![made, changed, life]
}

fn success() -> impl Strategy<Value = Delivery> {
    let subscription = prop_oneof![8 => subscription_id(), 1 => Just("")];
    let mailboxes = prop::collection::vec((mailbox(), weighted(0.8, end_of_period())), 0..4);
    let domains = prop::collection::vec((domain(), subscription, mailboxes), 0..3);
    (order(), domains).prop_map(|(order, domains)| {
        let mut delivery = assigned("E", order);
        for (domain, subscription, mailboxes) in domains {
            let ids: Vec<_> = mailboxes.iter().map(|(id, _)| *id).collect();
            delivery = delivery.domain(domain, subscription, &ids);
            if let OrderEvent::MailboxesAssigned(facts) = &mut delivery.event {
                let assigned = &mut Arc::make_mut(&mut facts.domains).last_mut().unwrap().mailboxes;
                for (mailbox, (_, expiry)) in assigned.iter_mut().zip(mailboxes) {
                    mailbox.expiry_date = expiry;
                }
            }
        }
        delivery
    })
}

fn failure() -> impl Strategy<Value = Delivery> {
    let failures = prop::collection::vec((weighted(0.8, domain()), reason()), 0..3);
    (order(), failures).prop_map(|(order, failures)| {
        failures
            .into_iter()
            .fold(failed("E", order), |delivery, (domain, reason)| match domain {
                Some(domain) => delivery.fails(domain, reason),
                None => delivery.fails_whole(reason),
            })
    })
}

/// The whole family; a third of them name only their subscription, as from older senders.
fn of_subscription() -> impl Strategy<Value = Delivery> {
    let kind = select(KINDS);
    let says = weighted(
        0.5,
        name(&["ACTIVE", "RENEWING", "PAST_DUE", "EXPIRED", "CANCELLED", "PAUSED"]),
    );
    let common = weighted(0.66, (domain(), end_of_period(), any::<bool>(), says));
    let rest = (weighted(0.5, 1_u32..5), weighted(0.3, reason()));
    (kind, subscription_id(), common, rest).prop_map(|(kind, id, common, (quantity, reason))| {
        subscription("E", kind, id).with(|facts| {
            facts.quantity = quantity;
            facts.reason = reason.map(str::to_owned);
            if let Some((domain, end, auto_renew, says)) = common {
                facts.domain = Domain::normalise(domain).ok();
                facts.period_end = Some(end);
                facts.period_start = Some(end - SignedDuration::from_hours(30 * 24));
                facts.auto_renew = Some(auto_renew);
                facts.subscription_status = says.map(str::to_owned);
            }
        })
    })
}

fn unknown() -> impl Strategy<Value = Delivery> {
    let names = (
        weighted(0.3, order()),
        weighted(0.5, subscription_id()),
        weighted(0.5, domain()),
        weighted(0.3, mailbox()),
    );
    names.prop_map(|(order, subscription, domain, mailbox)| {
        let mut delivery = unrecognised("E", "mailbox.moved");
        if let OrderEvent::WebhookUnrecognised(facts) = &mut delivery.event {
            facts.order_id = order.and_then(|id| OrderId::parse(id).ok());
            facts.subscription_id = subscription.and_then(|id| SubscriptionId::parse(id).ok());
            facts.domain = domain.and_then(|name| Domain::normalise(name).ok());
            facts.mailbox_id = mailbox.and_then(|id| MailboxId::parse(id).ok());
        }
        delivery
    })
}
