//! A subscription that comes up for renewal, once or every month: the webhooks that the provider sends from then on.

use std::time::Duration;

use aggregates::{Domain, DomainId, EventId};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rand::RngExt;
use rand::rngs::StdRng;

use super::customer::Customer;
use super::expected::ExpectedSubscription;
use super::invent;
use super::payload::{self, LegacySubscription, Subscription, SubscriptionStatus};
use super::provider::Provider;

const RENEWAL_REASONS: &[&str] = &["Insufficient wallet balance", "Linked domain is in GRACE_PERIOD"];

/// The probability that a renewal is sent in the short form of older senders.
const LEGACY_CHANCE: f64 = 0.25;

/// The possible courses of one renewal, most of them good, with equal probability. The last ones end the subscription.
const STORIES: &[Story] = &[
    Story::Renewed,
    Story::Renewed,
    Story::Renewed,
    Story::Renewed,
    Story::Renewed,
    Story::Renewed,
    Story::UpdatedAndRenewed,
    Story::Recovered,
    Story::Expired,
    Story::Cancelled,
];
const ENDS: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Story {
    Renewed,
    UpdatedAndRenewed,
    /// Failed, past due, then renewed.
    Recovered,
    /// Failed, past due, never recovered. The provider's seven days of grace are minutes here.
    Expired,
    Cancelled,
}

/// When a subscription comes up for renewal.
pub(super) struct Schedule {
    /// The plan's beginning.
    pub(super) base_time: Timestamp,
    /// The first renewal, relative to it.
    pub(super) begins: Duration,
    /// The number of renewals, each at the end of the period renewed before.
    pub(super) months: u32,
}

/// Plays the renewals of a subscription: passes each webhook (event, id, body, offset) to `send` and updates
/// `subscription` with the result.
pub(super) fn play(
    rng: &mut StdRng,
    customer: &Customer,
    provider: Provider,
    domain: &Domain,
    subscription: &mut ExpectedSubscription,
    schedule: &Schedule,
    send: &mut impl FnMut(&'static str, EventId, String, Duration),
) {
    let domain_id = invent::id(rng);
    let mut teller = Teller {
        customer,
        provider,
        domain,
        domain_id,
        subscription,
        now: schedule.begins,
        send,
    };
    let lasting = &STORIES[..STORIES.len() - ENDS];
    for _ in 1..schedule.months {
        teller.play(rng, lasting);
        teller.now = time_until(teller.subscription.expiry_date, schedule.base_time);
    }
    teller.play(rng, STORIES);
}

struct Teller<'a, S> {
    customer: &'a Customer,
    provider: Provider,
    domain: &'a Domain,
    domain_id: DomainId,
    subscription: &'a mut ExpectedSubscription,
    now: Duration,
    send: &'a mut S,
}

impl<S: FnMut(&'static str, EventId, String, Duration)> Teller<'_, S> {
    /// Plays one renewal.
    fn play(&mut self, rng: &mut StdRng, stories: &[Story]) {
        match invent::one_of(rng, stories) {
            Story::Renewed => self.renew(rng),
            Story::UpdatedAndRenewed => {
                self.tell(rng, "subscription.updated", SubscriptionStatus::Active, None);
                self.wait(rng, 30, 120);
                self.renew(rng);
            }
            Story::Recovered => {
                self.fail(rng);
                self.succeed(rng);
            }
            Story::Expired => {
                self.fail(rng);
                self.tell(rng, "subscription.expired", SubscriptionStatus::Expired, None);
            }
            Story::Cancelled => {
                self.subscription.auto_renew = false;
                self.tell(rng, "subscription.cancelled", SubscriptionStatus::Cancelled, None);
            }
        }
    }

    fn wait(&mut self, rng: &mut StdRng, least: u64, most: u64) {
        self.now += invent::between(rng, least, most);
    }

    fn renew(&mut self, rng: &mut StdRng) {
        self.tell(rng, "subscription.renewing", SubscriptionStatus::Renewing, None);
        self.wait(rng, 5, 40);
        self.succeed(rng);
    }

    /// The renewal fails and the subscription is past due; then some minutes pass.
    fn fail(&mut self, rng: &mut StdRng) {
        let reason = Some(invent::one_of(rng, RENEWAL_REASONS));
        self.tell(rng, "subscription.renewing", SubscriptionStatus::Renewing, None);
        self.wait(rng, 5, 40);
        self.tell(rng, "subscription.renewal.failed", SubscriptionStatus::PastDue, reason);
        self.subscription.renewal_failures += 1;
        self.wait(rng, 1, 10);
        self.tell(rng, "subscription.past_due", SubscriptionStatus::PastDue, reason);
        self.wait(rng, 4 * 60, 12 * 60);
    }

    fn succeed(&mut self, rng: &mut StdRng) {
        let event = "subscription.renewal.success";
        self.subscription.renewals += 1;
        self.subscription.expiry_date = months_later(self.subscription.expiry_date, 1);
        if !rng.random_bool(LEGACY_CHANCE) {
            self.subscription.stated_expiry = self.subscription.expiry_date;
            return self.tell(rng, event, SubscriptionStatus::Active, None);
        }
        self.subscription.status = SubscriptionStatus::Active;
        let event_id = invent::id(rng);
        let data = LegacySubscription {
            user_id: &self.customer.user_id,
            user_email: &self.customer.user_email,
            subscription_id: &self.subscription.subscription_id,
            workspace_type: self.provider,
            quantity: self.subscription.mailboxes.len(),
        };
        let body = payload::body(event, &event_id, data);
        (self.send)(event, event_id, body, self.now);
    }

    fn tell(
        &mut self,
        rng: &mut StdRng,
        event: &'static str,
        status: SubscriptionStatus,
        reason: Option<&'static str>,
    ) {
        self.subscription.status = status;
        let subscription = &*self.subscription;
        let quantity = subscription.mailboxes.len();
        let noun = if quantity == 1 { "mailbox" } else { "mailboxes" };
        let data = Subscription {
            user_id: &self.customer.user_id,
            user_email: &self.customer.user_email,
            subscription_id: &subscription.subscription_id,
            domain_id: &self.domain_id,
            domain: self.domain,
            workspace_type: self.provider,
            quantity,
            period_start: months_later(subscription.expiry_date, -1),
            period_end: subscription.expiry_date,
            auto_renew: subscription.auto_renew,
            description: format!("{quantity} {noun} on {}", self.domain),
            subscription_status: status,
            reason,
        };
        let event_id = invent::id(rng);
        let body = payload::body(event, &event_id, data);
        (self.send)(event, event_id, body, self.now);
    }
}

/// The duration from the plan's beginning to a time.
pub(super) fn time_until(time: Timestamp, base_time: Timestamp) -> Duration {
    time.duration_since(base_time).unsigned_abs()
}

/// The same day and time of another month, or the month's last day if it is shorter; the time itself if that overflows.
pub(super) fn months_later(time: Timestamp, months: i64) -> Timestamp {
    time.to_zoned(TimeZone::UTC)
        .checked_add(months.months())
        .map_or(time, |later| later.timestamp())
}
