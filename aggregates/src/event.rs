//! The events: kept for ever, in plain JSON, free of personal data and secrets. Two families: [`OrderEvent`], the
//! provider's reports about an order, and [`AccessEvent`], the actions of people and programs on the ledger.
//!
//! Rules for every type here, since stored events never change:
//! - Its stored name and schema version are in the `EVENT_TYPES` of its family; a Rust path is never stored.
//! - Fields are in alphabetical order of their JSON names, hold no floating-point numbers, and absent values are left
//!   out, so that plain serialisation *is* the canonical form (RFC 8785) that the Merkle leaf covers. A test checks
//!   this for every type.
//! - A change of shape is a new schema version and a step in [`crate::upcast`].

mod access;
mod any;
mod assignment;
mod domain;
mod family;
mod mailbox;
mod mailbox_order;
mod sealed;
mod subscription;
mod webhook;

use cqrs_es::DomainEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use access::{AccessEvent, AccessFacts, Action, Actor, MadeToken, Refusal, Shown};
pub use any::Event;
pub use assignment::{AssignedDomain, AssignedMailbox, AssignmentFailed, AssignmentFailure, MailboxesAssigned};
pub use domain::{DnsRecordUpdated, DomainFacts};
pub use mailbox::{MailboxCreated, MailboxFacts, MailboxUpdated};
pub use mailbox_order::MailboxOrderFacts;
pub use sealed::{CredentialKind, PersonalField};
pub use subscription::SubscriptionFacts;
pub use webhook::{QuarantineReason, QuarantinedPart, WebhookQuarantined, WebhookUnrecognised};

use crate::error::EventError;
use crate::{Domain, OrderId, SubscriptionId, UserId, upcast};
use family::event_family;

/// The provider of a mailbox. An open set: an unknown one is kept under its own name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceProvider(pub String);

/// Capacity for the facts of most events, in bytes.
const USUAL_FACTS: usize = 2048;

event_family! {
    /// Everything that can happen to an order.
    OrderEvent {
        /// Domains of the order got their mailboxes.
        MailboxesAssigned(MailboxesAssigned) = 3,
        /// Domains of the order, or all of it, got none.
        AssignmentFailed(AssignmentFailed) = 2,
        /// A mailbox was made outside of an assignment.
        MailboxCreated(MailboxCreated) = 2,
        /// Something about a mailbox changed, perhaps its credentials.
        MailboxUpdated(MailboxUpdated) = 2,
        /// The provider began to renew.
        SubscriptionRenewing(SubscriptionFacts) = 1,
        /// The subscription was renewed.
        SubscriptionRenewed(SubscriptionFacts) = 1,
        /// The renewal was blocked or failed.
        SubscriptionRenewalFailed(SubscriptionFacts) = 1,
        /// Payment failed; a grace period runs.
        SubscriptionPastDue(SubscriptionFacts) = 1,
        /// The subscription ran out.
        SubscriptionExpired(SubscriptionFacts) = 1,
        /// The subscription ended for good.
        SubscriptionCancelled(SubscriptionFacts) = 1,
        /// Its price or record changed.
        SubscriptionUpdated(SubscriptionFacts) = 1,
        /// A domain was registered.
        DomainRegistered(DomainFacts) = 1,
        /// A domain could not be registered.
        DomainRegistrationFailed(DomainFacts) = 1,
        /// A registration was renewed.
        DomainRenewed(DomainFacts) = 1,
        /// The renewal of a registration failed.
        DomainRenewalFailed(DomainFacts) = 1,
        /// A registration ended and can still be renewed for seven days.
        DomainGracePeriodBegan(DomainFacts) = 1,
        /// A registration is lost.
        DomainExpired(DomainFacts) = 1,
        /// A DNS record of a domain changed.
        DnsRecordUpdated(DnsRecordUpdated) = 1,
        /// An ordinary order of mailboxes was accepted.
        MailboxOrderAccepted(MailboxOrderFacts) = 1,
        /// An ordinary order of mailboxes failed.
        MailboxOrderFailed(MailboxOrderFacts) = 1,
        /// A mailbox was exported to a sending tool.
        MailboxExported(MailboxFacts) = 1,
        /// The warm-up of a mailbox began.
        MailboxWarmupStarted(MailboxFacts) = 1,
        /// A mailbox was taken out of the warm-up.
        MailboxWarmupRemoved(MailboxFacts) = 1,
        /// A webhook of an unknown kind.
        WebhookUnrecognised(WebhookUnrecognised) = 1,
        /// A webhook that could not be used.
        WebhookQuarantined(WebhookQuarantined) = 1,
    }
}

/// A field that the facts of every webhook that could be used have, and `rest` for the other events.
macro_rules! of_used {
    ($event:expr, $facts:ident => $field:expr, $($rest:tt)+) => {
        match $event {
            Self::MailboxesAssigned($facts) => $field,
            Self::AssignmentFailed($facts) => $field,
            Self::MailboxCreated($facts) => $field,
            Self::MailboxUpdated($facts) => $field,
            Self::SubscriptionRenewing($facts)
            | Self::SubscriptionRenewed($facts)
            | Self::SubscriptionRenewalFailed($facts)
            | Self::SubscriptionPastDue($facts)
            | Self::SubscriptionExpired($facts)
            | Self::SubscriptionCancelled($facts)
            | Self::SubscriptionUpdated($facts) => $field,
            Self::DomainRegistered($facts)
            | Self::DomainRegistrationFailed($facts)
            | Self::DomainRenewed($facts)
            | Self::DomainRenewalFailed($facts)
            | Self::DomainGracePeriodBegan($facts)
            | Self::DomainExpired($facts) => $field,
            Self::DnsRecordUpdated($facts) => $field,
            Self::MailboxOrderAccepted($facts) | Self::MailboxOrderFailed($facts) => $field,
            Self::MailboxExported($facts) | Self::MailboxWarmupStarted($facts) | Self::MailboxWarmupRemoved($facts) => {
                $field
            }
            $($rest)+
        }
    };
}

/// A field that the facts of every webhook have.
macro_rules! of_any {
    ($event:expr, $facts:ident => $field:expr) => {
        of_used!($event, $facts => $field,
            Self::WebhookUnrecognised($facts) => $field,
            Self::WebhookQuarantined($facts) => $field,
        )
    };
}

/// The facts upcast to their type's current schema; none if they already have it.
fn facts_of_today(type_name: &str, found: u32, known: u32, facts: &str) -> Result<Option<String>, EventError> {
    if found == known {
        return Ok(None);
    }
    if found > known || found == 0 {
        return Err(EventError::UnknownSchema {
            type_name: type_name.to_owned(),
            found,
            known,
        });
    }
    let upcast = upcast::upcast(type_name, found, known, serde_json::from_str(facts)?)?;
    Ok(Some(upcast.to_string()))
}

impl OrderEvent {
    /// The subscription's facts, for events of the subscription family.
    pub fn as_subscription(&self) -> Option<&SubscriptionFacts> {
        match self {
            Self::SubscriptionRenewing(facts)
            | Self::SubscriptionRenewed(facts)
            | Self::SubscriptionRenewalFailed(facts)
            | Self::SubscriptionPastDue(facts)
            | Self::SubscriptionExpired(facts)
            | Self::SubscriptionCancelled(facts)
            | Self::SubscriptionUpdated(facts) => Some(facts),
            _ => None,
        }
    }

    pub(crate) fn as_subscription_mut(&mut self) -> Option<&mut SubscriptionFacts> {
        match self {
            Self::SubscriptionRenewing(facts)
            | Self::SubscriptionRenewed(facts)
            | Self::SubscriptionRenewalFailed(facts)
            | Self::SubscriptionPastDue(facts)
            | Self::SubscriptionExpired(facts)
            | Self::SubscriptionCancelled(facts)
            | Self::SubscriptionUpdated(facts) => Some(facts),
            _ => None,
        }
    }

    /// The registration's facts, for events of the registration family.
    pub fn as_domain(&self) -> Option<&DomainFacts> {
        match self {
            Self::DomainRegistered(facts)
            | Self::DomainRegistrationFailed(facts)
            | Self::DomainRenewed(facts)
            | Self::DomainRenewalFailed(facts)
            | Self::DomainGracePeriodBegan(facts)
            | Self::DomainExpired(facts) => Some(facts),
            _ => None,
        }
    }

    /// The user that the webhook names.
    pub fn user_id(&self) -> Option<&UserId> {
        of_any!(self, facts => facts.user_id.as_ref())
    }

    /// The order that the event belongs to, if it names one.
    pub fn order_id(&self) -> Option<&OrderId> {
        match self {
            Self::MailboxesAssigned(facts) => Some(&facts.order_id),
            Self::AssignmentFailed(facts) => Some(&facts.order_id),
            Self::MailboxOrderAccepted(facts) | Self::MailboxOrderFailed(facts) => Some(&facts.order_id),
            Self::MailboxCreated(facts) => facts.order_id.as_ref(),
            Self::DnsRecordUpdated(facts) => facts.order_id.as_ref(),
            Self::WebhookUnrecognised(facts) => facts.order_id.as_ref(),
            // these stay with their mailbox, whatever order they name
            Self::MailboxUpdated(_)
            | Self::MailboxExported(_)
            | Self::MailboxWarmupStarted(_)
            | Self::MailboxWarmupRemoved(_)
            | Self::WebhookQuarantined(_) => None,
            other => {
                let subscription = other.as_subscription().and_then(|facts| facts.order_id.as_ref());
                subscription.or_else(|| other.as_domain().and_then(|facts| facts.order_id.as_ref()))
            }
        }
    }

    /// The facts of a mailbox to which something happened that did not change its record.
    pub fn as_mailbox(&self) -> Option<&MailboxFacts> {
        match self {
            Self::MailboxExported(facts) | Self::MailboxWarmupStarted(facts) | Self::MailboxWarmupRemoved(facts) => {
                Some(facts)
            }
            _ => None,
        }
    }

    /// The domains that the event names, each as often as it does.
    pub fn domains(&self) -> Vec<&Domain> {
        match self {
            Self::MailboxesAssigned(facts) => facts.domains.iter().map(|own| &own.domain).collect(),
            Self::AssignmentFailed(facts) => {
                let failed = facts.failures.iter();
                failed.filter_map(|failure| failure.domain.as_ref()).collect()
            }
            _ => {
                let named = self.as_subscription().and_then(|facts| facts.domain.as_ref());
                let named = named.or(self.as_mailbox().and_then(|facts| facts.domain.as_ref()));
                let named = named.or(self.opens().and_then(|(_, domain)| domain));
                named.or(self.names_domain()).into_iter().collect()
            }
        }
    }

    /// The subscription and the domain that the event puts under its order, if it names one.
    pub fn opens(&self) -> Option<(Option<&SubscriptionId>, Option<&Domain>)> {
        match self {
            Self::MailboxCreated(facts) => Some((facts.subscription_id.as_ref(), facts.domain.as_ref())),
            Self::MailboxOrderAccepted(facts) => Some((facts.subscription_id.as_ref(), facts.domain.as_ref())),
            _ => None,
        }
    }

    /// Whether it was recorded from a capture without a signature.
    pub fn is_unsigned(&self) -> bool {
        of_any!(self, facts => facts.unsigned)
    }

    /// When the provider sent the webhook.
    pub fn sent_at(&self) -> Option<Timestamp> {
        of_any!(self, facts => facts.sent_at)
    }

    /// Sets the user.
    pub fn set_user(&mut self, user: UserId) {
        of_any!(self, facts => facts.user_id = Some(user));
    }

    /// Sets when the provider sent the webhook.
    pub fn set_sent_at(&mut self, at: Timestamp) {
        of_any!(self, facts => facts.sent_at = Some(at));
    }

    /// The domain whose registration or DNS records the event is about.
    pub fn names_domain(&self) -> Option<&Domain> {
        match self {
            Self::DnsRecordUpdated(facts) => Some(&facts.domain),
            other => other.as_domain().map(|facts| &facts.domain),
        }
    }

    /// The paths of the webhook's fields that could not be read, and were left out.
    pub fn unreadable(&self) -> &[String] {
        of_used!(self, facts => &facts.unreadable,
            Self::WebhookUnrecognised(_) | Self::WebhookQuarantined(_) => &[],
        )
    }

    /// Names the fields that could not be read; a kind without such a list has none.
    pub fn leave_out(&mut self, paths: Vec<String>) {
        of_used!(self, facts => facts.unreadable = paths,
            Self::WebhookUnrecognised(_) | Self::WebhookQuarantined(_) => {}
        );
    }

    /// The parts of the webhook that could not be used.
    pub fn quarantined_parts(&self) -> &[QuarantinedPart] {
        match self {
            Self::MailboxesAssigned(facts) => &facts.quarantined_parts,
            Self::AssignmentFailed(facts) => &facts.quarantined_parts,
            _ => &[],
        }
    }
}

impl DomainEvent for OrderEvent {
    fn event_type(&self) -> String {
        self.type_name().to_owned()
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One event of every type with every field filled, from the golden files.
    fn golden() -> Vec<(String, u32, String)> {
        let files = [
            include_str!("../golden/events.jsonl"),
            include_str!("../golden/mailbox_events.jsonl"),
            include_str!("../golden/further_events.jsonl"),
            include_str!("../golden/access_events.jsonl"),
        ];
        files
            .into_iter()
            .flat_map(str::lines)
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let schema = u32::try_from(value["schemaVersion"].as_u64().unwrap()).unwrap();
                (
                    value["type"].as_str().unwrap().to_owned(),
                    schema,
                    value["facts"].to_string(),
                )
            })
            .collect()
    }

    #[test]
    fn golden_events_read_and_write_to_the_same_canonical_bytes() {
        for (type_name, schema, facts) in golden() {
            let event = Event::from_stored(&type_name, schema, &facts).unwrap();
            assert_eq!(event.type_name(), type_name);
            // an older form is read, but not written any more
            if schema != event.schema_version() {
                continue;
            }
            // serde_json's own objects are sorted by key, so the text read through one is canonical
            assert_eq!(
                event.to_facts().unwrap(),
                facts,
                "{type_name} is not in canonical order"
            );
        }
    }

    #[test]
    fn every_event_type_has_a_golden_event_in_its_current_schema() {
        let golden = golden();
        for (type_name, current) in OrderEvent::EVENT_TYPES.iter().chain(AccessEvent::EVENT_TYPES) {
            assert!(
                golden
                    .iter()
                    .any(|(name, schema, _)| name == type_name && schema == current),
                "{type_name}"
            );
        }
    }
}
