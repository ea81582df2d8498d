//! One order: placed, answered for each domain, and perhaps renewed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aggregates::{Domain, EventId, MailboxId, OrderId, SubscriptionId};
use jiff::Timestamp;
use rand::RngExt;
use rand::rngs::StdRng;

use super::customer::Customer;
use super::delivery::Delivery;
use super::expected::{
    DomainOutcome, Expected, ExpectedDomain, ExpectedOrder, ExpectedOrdinaryOrder, ExpectedSubscription,
};
use super::payload::{
    self, DomainDetails, FailedDomain, MailboxDetails, OrderFailed, OrderSuccess, SubscriptionStatus,
};
use super::provider::Provider;
use super::{invent, life, renewal};

const WALLET_EMPTY: &str = "Insufficient wallet balance";
const POOL_EMPTY: &str = "Pre-warmed mailboxes not available";

/// The probability that a subscription comes up for renewal, if the plan has renewals.
const RENEWAL_CHANCE: f64 = 0.6;

const DAY: u64 = 24 * 60 * 60;

/// How one order ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Success,
    /// Success too, but with one webhook for each domain.
    SuccessByDomain,
    PartialFailure,
    FullFailure,
}

/// Makes orders.
pub(super) struct Maker {
    pub(super) base_time: Timestamp,
    pub(super) renewals: bool,
    pub(super) months: u32,
    /// Whether domains and mailboxes have lives of their own.
    pub(super) families: bool,
    /// The domain names already taken.
    pub(super) domains: HashSet<String>,
}

/// An assigned domain, for a webhook.
struct Assigned {
    details: DomainDetails,
    expected: ExpectedSubscription,
    /// When its renewal begins, if it is renewed.
    renewal: Option<Duration>,
}

impl Maker {
    /// Plays an order placed at an offset from the plan's beginning, and appends its deliveries.
    pub(super) fn order(
        &mut self,
        rng: &mut StdRng,
        customer: &Customer,
        fate: Fate,
        placed: Duration,
        deliveries: &mut Vec<Delivery>,
        expected: &mut Expected,
    ) {
        let order_id: OrderId = invent::id(rng);
        let provider = if rng.random_bool(0.7) {
            Provider::Google
        } else {
            Provider::Microsoft
        };
        let count = match fate {
            Fate::Success | Fate::FullFailure => rng.random_range(1..=3),
            Fate::SuccessByDomain | Fate::PartialFailure => rng.random_range(2..=3),
        };
        let failing = match fate {
            Fate::Success | Fate::SuccessByDomain => 0,
            Fate::PartialFailure => 1,
            Fate::FullFailure => count,
        };
        let Customer { user_id, user_email } = customer;
        let mut send = |event, event_id: EventId, body, after| {
            deliveries.push(Delivery {
                event_id,
                event,
                order_id: order_id.clone(),
                body,
                after,
                repeat: false,
            });
        };

        let names: Vec<Domain> = (0..count).map(|_| invent::domain(rng, &mut self.domains)).collect();
        let (failed, assigned) = names.split_at(failing);
        let failed: Vec<FailedDomain<'_>> = failed
            .iter()
            .map(|domain| FailedDomain {
                domain,
                reason: invent::one_of(rng, &[POOL_EMPTY, WALLET_EMPTY]),
            })
            .collect();
        let assigned: Vec<Assigned> = assigned.iter().map(|domain| self.assign(rng, domain, placed)).collect();
        let (mut details, mut subscriptions) = (Vec::new(), Vec::new());
        for Assigned {
            details: domain,
            expected,
            renewal,
        } in assigned
        {
            subscriptions.push((domain.domain.clone(), expected, renewal));
            details.push(domain);
        }

        let people: HashMap<Domain, Vec<(MailboxId, String)>> = match self.families {
            true => details.iter().map(DomainDetails::people).collect(),
            false => HashMap::new(),
        };
        let batch = if fate == Fate::SuccessByDomain { 1 } else { count };
        for mailbox_details in details.chunks(batch) {
            let event = "prewarmup.order.success";
            let event_id = invent::id(rng);
            let service_provider = provider;
            let data = OrderSuccess {
                user_id,
                user_email,
                order_id: &order_id,
                service_provider,
                mailbox_details,
            };
            let body = payload::body(event, &event_id, data);
            send(event, event_id, body, placed + invent::between(rng, 2, 20));
        }
        let mut domains: Vec<ExpectedDomain> = failed
            .iter()
            .map(|FailedDomain { domain, reason }| ExpectedDomain {
                domain: (*domain).clone(),
                outcome: DomainOutcome::Failed { reason },
            })
            .collect();
        if !failed.is_empty() {
            let event = "prewarmup.order.failed";
            let event_id = invent::id(rng);
            let (service_provider, failed_orders) = (provider, failed);
            let data = OrderFailed {
                user_id,
                user_email,
                order_id: &order_id,
                service_provider,
                failed_orders,
            };
            let body = payload::body(event, &event_id, data);
            send(event, event_id, body, placed + invent::between(rng, 2, 20));
        }
        for (domain, mut subscription, renewal) in subscriptions {
            let at_expiry = || renewal::time_until(subscription.expiry_date, self.base_time);
            let begins = renewal.or_else(|| (self.renewals && self.months > 1).then(at_expiry));
            if let Some(begins) = begins {
                let schedule = renewal::Schedule {
                    base_time: self.base_time,
                    begins,
                    months: self.months,
                };
                renewal::play(
                    rng,
                    customer,
                    provider,
                    &domain,
                    &mut subscription,
                    &schedule,
                    &mut send,
                );
            }
            if let Some(people) = people.get(&domain) {
                let mut teller = life::Teller {
                    customer,
                    domain: &domain,
                    now: self.end(),
                    at: placed + invent::between(rng, 20, 60),
                    send: &mut send,
                };
                expected.registrations.push(teller.registration(rng));
                for (id, email) in people {
                    expected.mailboxes.push(teller.mailbox(rng, id, email));
                }
            }
            domains.push(ExpectedDomain {
                domain,
                outcome: DomainOutcome::Assigned(subscription),
            });
        }
        let user_id = user_id.clone();
        expected.orders.push(ExpectedOrder {
            order_id,
            user_id,
            provider,
            domains,
        });
    }

    /// The time that the lives lead up to: the first renewals are at the beginning, and the last ones then.
    fn end(&self) -> Timestamp {
        renewal::months_later(self.base_time, i64::from(self.months) - 1)
    }

    /// Plays an ordinary order of mailboxes.
    pub(super) fn ordinary_order(
        &mut self,
        rng: &mut StdRng,
        customer: &Customer,
        placed: Duration,
        deliveries: &mut Vec<Delivery>,
    ) -> ExpectedOrdinaryOrder {
        let order_id: OrderId = invent::id(rng);
        let domain = invent::domain(rng, &mut self.domains);
        let send = |event, event_id: EventId, body, after| {
            deliveries.push(Delivery {
                event_id,
                event,
                order_id: order_id.clone(),
                body,
                after,
                repeat: false,
            });
        };
        let mut teller = life::Teller {
            customer,
            domain: &domain,
            now: self.end(),
            at: placed,
            send,
        };
        teller.ordinary_order(rng, &order_id)
    }

    fn assign(&self, rng: &mut StdRng, domain: &Domain, placed: Duration) -> Assigned {
        let renewal = (self.renewals && rng.random_bool(RENEWAL_CHANCE))
            // Late enough for the order's own webhook to be sent.
            .then(|| placed + invent::between(rng, 2 * 60, 15 * 60));
        // A renewal happens at the expiry date.
        let expiry_date = later(
            self.base_time,
            renewal.unwrap_or_else(|| invent::between(rng, 5 * DAY, 30 * DAY)),
        );
        let warming_since = |rng: &mut StdRng| earlier(self.base_time, invent::between(rng, 21 * DAY, 90 * DAY));

        let mut people = HashSet::new();
        let mailboxes: Vec<MailboxDetails> = (0..rng.random_range(1..=4))
            .map(|number| {
                let mut person = invent::person(rng);
                while !people.insert(person) {
                    person = invent::person(rng);
                }
                let (first_name, last_name) = person;
                MailboxDetails {
                    mailbox_id: invent::id(rng),
                    email: format!("{first_name}.{last_name}@{domain}").to_lowercase(),
                    first_name,
                    last_name,
                    profile_picture: invent::picture(rng, person),
                    password: invent::password(rng),
                    app_password: invent::app_password(rng),
                    authenticator_secret: invent::totp_seed(rng),
                    is_admin: number == 0,
                    warming_up_from: warming_since(rng),
                    expiry_date,
                }
            })
            .collect();
        let subscription_id: SubscriptionId = invent::id(rng);
        let expected = ExpectedSubscription {
            subscription_id: subscription_id.clone(),
            mailboxes: mailboxes.iter().map(|mailbox| mailbox.mailbox_id.clone()).collect(),
            status: SubscriptionStatus::Active,
            auto_renew: true,
            expiry_date,
            stated_expiry: expiry_date,
            renewals: 0,
            renewal_failures: 0,
        };
        let details = DomainDetails {
            domain: domain.clone(),
            subscription_id,
            pre_warmed_up_mailboxes: mailboxes,
        };
        Assigned {
            details,
            expected,
            renewal,
        }
    }
}

impl DomainDetails {
    /// The domain's mailboxes with their addresses.
    fn people(&self) -> (Domain, Vec<(MailboxId, String)>) {
        let mailboxes = self.pre_warmed_up_mailboxes.iter();
        let people = mailboxes.map(|mailbox| (mailbox.mailbox_id.clone(), mailbox.email.clone()));
        (self.domain.clone(), people.collect())
    }
}

/// The later time; the last possible one if that overflows.
fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}
