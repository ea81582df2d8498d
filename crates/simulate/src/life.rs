//! The lives of a domain and its mailboxes beside their subscription: the registration with its renewals and its grace
//! period, DNS records, warm-up, export, new passwords; and ordinary orders of mailboxes.

use std::time::Duration;

use aggregates::{Domain, DomainId, EventId, MailboxId, OrderId, SubscriptionId};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand::rngs::StdRng;

use super::customer::Customer;
use super::expected::{ExpectedMailbox, ExpectedOrdinaryOrder, ExpectedRegistration, RegistrationStatus};
use super::invent;
use super::payload::{
    self, CreatedMailbox, DnsRecord, DnsUpdate, MailboxChange, MailboxDetails, MailboxEvent, MailboxOrder,
    Registration, UpdatedFields,
};
use super::provider::Provider;

const WALLET_EMPTY: &str = "Insufficient wallet balance";
const NOT_AVAILABLE: &str = "Domain is not available";
const EXISTS: &str = "Workspace already exists";
const PRICE: f64 = 15.88;
const PRICE_PER_MAILBOX: f64 = 3.5;

/// The possible lives of a registration, with equal probability.
const STORIES: &[Story] = &[
    Story::Renewed,
    Story::Renewed,
    Story::Renewed,
    Story::Renewed,
    Story::Renewed,
    Story::EndsSoon,
    Story::InGrace,
    Story::InGrace,
    Story::Recovered,
    Story::Lost,
];

#[derive(Clone, Copy)]
enum Story {
    Renewed,
    /// Registered for some days more, and nobody renews it.
    EndsSoon,
    /// Its renewal failed, and it ended some days ago.
    InGrace,
    /// The same, but then it was renewed.
    Recovered,
    /// It ended more than seven days ago.
    Lost,
}

/// Tells of one customer's domain.
pub(super) struct Teller<'a, S> {
    pub(super) customer: &'a Customer,
    pub(super) domain: &'a Domain,
    /// The time that the lives lead up to.
    pub(super) now: Timestamp,
    /// When the next webhook is due, relative to the plan's beginning.
    pub(super) at: Duration,
    pub(super) send: S,
}

impl<S: FnMut(&'static str, EventId, String, Duration)> Teller<'_, S> {
    fn pass(&mut self, rng: &mut StdRng, event: &'static str, data: impl serde::Serialize) {
        let event_id = invent::id(rng);
        let body = payload::body(event, &event_id, data);
        self.at += invent::between(rng, 1, 30);
        (self.send)(event, event_id, body, self.at);
    }

    fn days(&self, days: i64) -> Timestamp {
        let by = SignedDuration::from_hours(days * 24);
        self.now.checked_add(by).unwrap_or(self.now)
    }

    /// Plays the life of the registration of a domain, which the provider registered before.
    pub(super) fn registration(&mut self, rng: &mut StdRng) -> ExpectedRegistration {
        let domain_id: DomainId = invent::id(rng);
        let story = invent::one_of(rng, STORIES);
        let (end, status) = match story {
            Story::Renewed => {
                let end = self.days(rng.random_range(40..360));
                self.registered(rng, "domain.renewal.success", &domain_id, end, None);
                (end, RegistrationStatus::Active)
            }
            Story::EndsSoon => {
                let end = self.days(rng.random_range(2..20));
                self.registered(rng, "domain.order.success", &domain_id, end, None);
                (end, RegistrationStatus::Active)
            }
            Story::InGrace => {
                let end = self.days(-rng.random_range(1..6));
                self.registered(rng, "domain.renewal.failed", &domain_id, end, Some(WALLET_EMPTY));
                self.registered(rng, "domain.grace_period", &domain_id, end, None);
                (end, RegistrationStatus::Grace)
            }
            Story::Recovered => {
                let end = self.days(-rng.random_range(1..6));
                self.registered(rng, "domain.grace_period", &domain_id, end, None);
                let end = end.checked_add(SignedDuration::from_hours(365 * 24)).unwrap_or(end);
                self.registered(rng, "domain.renewal.success", &domain_id, end, None);
                (end, RegistrationStatus::Active)
            }
            Story::Lost => {
                let end = self.days(-rng.random_range(8..30));
                self.registered(rng, "domain.grace_period", &domain_id, end, None);
                self.registered(rng, "domain.expired", &domain_id, end, None);
                (end, RegistrationStatus::Expired)
            }
        };
        let dns_changes = u32::from(rng.random_bool(0.4));
        if dns_changes > 0 {
            self.dns(rng);
        }
        ExpectedRegistration {
            domain: self.domain.clone(),
            status,
            expiry_date: Some(end),
            dns_changes,
        }
    }

    fn registered(
        &mut self,
        rng: &mut StdRng,
        event: &'static str,
        domain_id: &DomainId,
        end: Timestamp,
        reason: Option<&'static str>,
    ) {
        let paid = event.ends_with("success");
        let data = Registration {
            user_id: &self.customer.user_id,
            user_email: &self.customer.user_email,
            domain_id: Some(domain_id),
            domain_name: self.domain,
            order_id: None,
            expiry_date: Some(end),
            price: paid.then_some(PRICE),
            reason,
        };
        self.pass(rng, event, data);
    }

    fn dns(&mut self, rng: &mut StdRng) {
        let data = DnsUpdate {
            user_id: &self.customer.user_id,
            domain_name: self.domain,
            action: "UPDATED",
            record: DnsRecord {
                record_type: invent::one_of(rng, &["CNAME", "TXT", "MX"]),
                host: "www",
                value: format!("forward.{}", self.customer.company()),
            },
        };
        self.pass(rng, "dns-record.updated", data);
    }

    /// Plays the life of a mailbox: its warm-up, its export, perhaps a new password.
    pub(super) fn mailbox(&mut self, rng: &mut StdRng, id: &MailboxId, email: &str) -> ExpectedMailbox {
        let event = |this: &Self| MailboxEvent {
            user_id: this.customer.user_id.clone(),
            mailbox_id: id.clone(),
            email: email.to_owned(),
            domain_name: this.domain.clone(),
        };
        let mut expected = ExpectedMailbox {
            mailbox_id: id.clone(),
            warmed_up: None,
            exported: false,
            password_changed: false,
        };
        if rng.random_bool(0.5) {
            let data = event(self);
            self.pass(rng, "mailbox.warmup.started", data);
            expected.warmed_up = Some(true);
            // the provider's clock has whole seconds, so that only one of the two can be the last one
        } else if rng.random_bool(0.2) {
            let data = event(self);
            self.pass(rng, "mailbox.warmup.removed", data);
            expected.warmed_up = Some(false);
        }
        if rng.random_bool(0.3) {
            let data = event(self);
            self.pass(rng, "mailbox.exported", data);
            expected.exported = true;
        }
        if rng.random_bool(0.2) {
            let data = MailboxChange {
                user_id: &self.customer.user_id,
                user_email: &self.customer.user_email,
                mailbox_id: id,
                email,
                updated_fields: UpdatedFields {
                    password: invent::password(rng),
                },
            };
            self.pass(rng, "mailbox.updated", data);
            expected.password_changed = true;
        }
        expected
    }

    /// Plays an ordinary order of mailboxes for a domain that is registered first; or one of the two fails.
    pub(super) fn ordinary_order(&mut self, rng: &mut StdRng, order_id: &OrderId) -> ExpectedOrdinaryOrder {
        let provider = Provider::Google;
        let mut expected = ExpectedOrdinaryOrder {
            order_id: order_id.clone(),
            domain: self.domain.clone(),
            registered: rng.random_bool(0.8),
            subscription_id: None,
            mailboxes: Vec::new(),
        };
        let domain_id: DomainId = invent::id(rng);
        let end = self.days(rng.random_range(40..360));
        let registration = Registration {
            user_id: &self.customer.user_id,
            user_email: &self.customer.user_email,
            domain_id: expected.registered.then_some(&domain_id),
            domain_name: self.domain,
            order_id: Some(order_id),
            expiry_date: expected.registered.then_some(end),
            price: expected.registered.then_some(PRICE),
            reason: (!expected.registered).then_some(NOT_AVAILABLE),
        };
        let event = match expected.registered {
            true => "domain.order.success",
            false => "domain.order.failed",
        };
        self.pass(rng, event, registration);
        if !expected.registered {
            return expected;
        }
        let accepted = rng.random_bool(0.8);
        let subscription_id: SubscriptionId = invent::id(rng);
        let quantity: usize = rng.random_range(1..=3);
        let runs_out = self.days(rng.random_range(1..30));
        let order = MailboxOrder {
            user_id: &self.customer.user_id,
            user_email: &self.customer.user_email,
            domain_id: &domain_id,
            domain_name: self.domain,
            subscription_id: accepted.then_some(&subscription_id),
            order_id,
            workspace_type: provider,
            expiry_date: accepted.then_some(runs_out),
            price: accepted.then_some(PRICE_PER_MAILBOX * quantity as f64),
            quantity: accepted.then_some(quantity),
            reason: (!accepted).then_some(EXISTS),
        };
        let event = match accepted {
            true => "mailbox.order.success",
            false => "mailbox.order.failed",
        };
        self.pass(rng, event, order);
        if !accepted {
            return expected;
        }
        for number in 0..quantity {
            let (first_name, last_name) = invent::person(rng);
            let mailbox = MailboxDetails {
                mailbox_id: invent::id(rng),
                email: format!("{first_name}.{last_name}.{number}@{}", self.domain).to_lowercase(),
                first_name,
                last_name,
                profile_picture: invent::picture(rng, (first_name, last_name)),
                password: invent::password(rng),
                app_password: invent::app_password(rng),
                authenticator_secret: invent::totp_seed(rng),
                is_admin: number == 0,
                warming_up_from: self.now,
                expiry_date: runs_out,
            };
            expected.mailboxes.push(mailbox.mailbox_id.clone());
            let data = CreatedMailbox {
                user_id: &self.customer.user_id,
                user_email: &self.customer.user_email,
                order_id,
                subscription_id: &subscription_id,
                domain_name: self.domain,
                workspace_type: provider,
                mailbox: &mailbox,
            };
            self.pass(rng, "mailbox.created", data);
        }
        expected.subscription_id = Some(subscription_id);
        expected
    }
}
