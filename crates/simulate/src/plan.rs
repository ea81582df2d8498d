//! The webhooks to send: all of a number of orders, the same for the same options.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::customer::Customer;
use super::delivery::Delivery;
use super::expected::Expected;
use super::order::{self, Fate};
use super::{invent, odd};

/// The time that a plan spans, except for the renewals of its last orders, which come some minutes later.
const SPAN: Duration = Duration::from_secs(60 * 60);

/// The percentage of orders in [`Scenario::Mix`] that fail in part; the same percentage fails as a whole.
const MIX_PERCENT: usize = 15;

/// The probability that an ordinary order of mailboxes comes beside an order, if the plan has all families.
const ORDINARY_CHANCE: f64 = 0.3;

/// How orders end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Scenario {
    /// Every domain is assigned.
    Success,
    /// No domain is: one webhook names them all.
    FullFailure,
    /// The first domain fails, the rest are assigned: two webhooks, in either order.
    PartialFailure,
    /// 70 % success (some told domain by domain), 15 % partial and 15 % full failure.
    #[default]
    Mix,
}

/// The options of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How many orders.
    pub orders: usize,
    /// How they end.
    pub scenario: Scenario,
    /// Whether about 60 % of the subscriptions come up for renewal within the plan (and then expire within hours of
    /// `base_time`; all others 5 to 30 days after it).
    pub renewals: bool,
    /// With `renewals`, how many times a subscription comes up, each a month after the one before. With more than one,
    /// all subscriptions do, and only the last time may end one.
    pub months: u32,
    /// Whether domains and mailboxes have lives of their own (registrations, DNS records, warm-up, exports, new
    /// passwords), and customers make ordinary orders of mailboxes too.
    pub families: bool,
    /// The probability that a webhook has its dates and flags in another form, e.g. as numbers, 0 to 1; other values
    /// are clamped.
    pub odd: f64,
    /// The probability that a delivery is sent a second time, 0 to 1; other values are clamped.
    pub duplicates: f64,
    /// Whether deliveries come in random order, also within an order.
    pub shuffle: bool,
    /// The seed of all randomness.
    pub seed: u64,
    /// When the plan begins; all dates are relative to it, in whole milliseconds.
    pub base_time: Timestamp,
}

impl Options {
    /// A mix of orders, without renewals or repeats, in order, from seed 0.
    pub fn new(orders: usize, base_time: Timestamp) -> Self {
        let scenario = Scenario::default();
        Self {
            orders,
            scenario,
            renewals: false,
            months: 1,
            families: false,
            odd: 0.0,
            duplicates: 0.0,
            shuffle: false,
            seed: 0,
            base_time,
        }
    }
}

/// Every delivery, and the expected result. No `Debug`: the bodies hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// The deliveries, by the time at which they are due.
    pub deliveries: Vec<Delivery>,
    /// The views after them.
    pub expected: Expected,
}

impl Plan {
    /// Makes a plan. The same options give the same plan, byte for byte.
    pub fn new(options: &Options) -> Self {
        let mut rng = StdRng::seed_from_u64(options.seed);
        let mut maker = order::Maker {
            base_time: Timestamp::from_millisecond(options.base_time.as_millisecond()).unwrap_or(options.base_time),
            renewals: options.renewals,
            months: options.months,
            families: options.families,
            domains: HashSet::new(),
        };
        let customers: Vec<Customer> = (0..(options.orders / 5).max(3))
            .map(|_| Customer::invent(&mut rng, &mut maker.domains))
            .collect();

        let (mut deliveries, mut expected) = (Vec::new(), Expected::default());
        for (fate, number) in fates(&mut rng, options).into_iter().zip(0..) {
            // whole milliseconds, as in the payloads
            let placed = Duration::from_millis(SPAN.as_secs() * 1000 * number / options.orders as u64);
            let customer = &customers[rng.random_range(0..customers.len())];
            maker.order(&mut rng, customer, fate, placed, &mut deliveries, &mut expected);
            if options.families && rng.random_bool(ORDINARY_CHANCE) {
                let ordinary = maker.ordinary_order(&mut rng, customer, placed, &mut deliveries);
                expected.ordinary.push(ordinary);
            }
        }
        if options.odd > 0.0 {
            let chance = options.odd.min(1.0);
            for delivery in &mut deliveries {
                if rng.random_bool(chance) {
                    delivery.body = odd::spelled(&mut rng, &delivery.body);
                }
            }
        }
        repeat_some(&mut rng, options.duplicates, &mut deliveries);
        arrange(&mut rng, options.shuffle, &mut deliveries);
        Self { deliveries, expected }
    }

    /// The number of different events.
    pub fn events(&self) -> usize {
        self.deliveries.iter().filter(|delivery| !delivery.repeat).count()
    }
}

fn fates(rng: &mut StdRng, options: &Options) -> Vec<Fate> {
    let fate = match options.scenario {
        Scenario::Success => Fate::Success,
        Scenario::FullFailure => Fate::FullFailure,
        Scenario::PartialFailure => Fate::PartialFailure,
        Scenario::Mix => {
            // Shares instead of probabilities, so that a small mix has some of each too.
            let share = (options.orders * MIX_PERCENT + 50) / 100;
            let mut fates = vec![Fate::PartialFailure; share];
            fates.extend(vec![Fate::FullFailure; share]);
            while fates.len() < options.orders {
                fates.push(if rng.random_bool(0.125) {
                    Fate::SuccessByDomain
                } else {
                    Fate::Success
                });
            }
            fates.shuffle(rng);
            return fates;
        }
    };
    vec![fate; options.orders]
}

fn repeat_some(rng: &mut StdRng, chance: f64, deliveries: &mut Vec<Delivery>) {
    let chance = if chance > 0.0 { chance.min(1.0) } else { 0.0 };
    for index in 0..deliveries.len() {
        if rng.random_bool(chance) {
            let mut again = deliveries[index].clone();
            again.after += invent::between(rng, 1, 90);
            deliveries.push(again);
        }
    }
}

fn arrange(rng: &mut StdRng, shuffle: bool, deliveries: &mut [Delivery]) {
    deliveries.sort_by_key(|delivery| delivery.after);
    if shuffle {
        let due: Vec<Duration> = deliveries.iter().map(|delivery| delivery.after).collect();
        deliveries.shuffle(rng);
        for (delivery, after) in deliveries.iter_mut().zip(due) {
            delivery.after = after;
        }
    }
    let mut seen = HashSet::new();
    for delivery in deliveries {
        delivery.repeat = !seen.insert(&delivery.event_id);
    }
}

#[cfg(test)]
mod tests;
