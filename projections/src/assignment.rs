//! The outcome of one domain of an order: it was assigned mailboxes, or failed, or both in turn.

use std::collections::BTreeSet;

use aggregates::{
    AssignedDomain, AssignmentFailed, AssignmentFailure, EventId, MailboxCreated, MailboxId, MailboxOrderFacts,
    MailboxesAssigned, Recorded, Source, SubscriptionId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Value;
use crate::merge::Newest;
use crate::stamp::Stamp;

/// The outcome of one domain of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DomainStatus {
    /// It got mailboxes, even if it failed before or after.
    Assigned,
    /// It got none.
    Failed,
    /// Its order was accepted, and its mailboxes are still to come; or no event is known yet.
    Pending,
}

impl DomainStatus {
    /// Its name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Failed => "failed",
            Self::Pending => "pending",
        }
    }
}

impl From<DomainStatus> for Value {
    fn from(status: DomainStatus) -> Self {
        status.as_str().into()
    }
}

/// The key that chooses one assignment among several: the one that lasts longest, then the newest.
pub(crate) type Lasting = (Option<Timestamp>, Stamp);

/// When the last of the domain's mailboxes expires.
pub(crate) fn latest_expiry(domain: &AssignedDomain) -> Option<Timestamp> {
    domain.mailboxes.iter().filter_map(|mailbox| mailbox.expiry_date).max()
}

/// The domains of a webhook, each with the index of its first mailbox: mailboxes are numbered 0, 1, … through the whole
/// event, as in its sealed sections.
pub(crate) fn numbered(facts: &MailboxesAssigned) -> impl Iterator<Item = (u32, &AssignedDomain)> {
    facts.domains.iter().scan(0_u32, |next, domain| {
        let first = *next;
        *next = first.saturating_add(u32::try_from(domain.mailboxes.len()).unwrap_or(u32::MAX));
        Some((first, domain))
    })
}

/// The failures in a failed webhook. An empty list means the whole order.
pub(crate) fn failures(facts: &AssignmentFailed) -> &[AssignmentFailure] {
    const WHOLE_ORDER: &[AssignmentFailure] = &[AssignmentFailure {
        domain: None,
        reason: None,
    }];
    // if entries were set aside, the list was not empty
    if facts.failures.is_empty() && facts.quarantined_parts.is_empty() {
        WHOLE_ORDER
    } else {
        &facts.failures
    }
}

/// The identity of a mailbox: its id, else its place in an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum MailboxKey {
    Id(MailboxId),
    Place(Source, EventId, u32),
}

impl MailboxKey {
    /// The keys of a domain's mailboxes, the first of which has the given index.
    pub(crate) fn of_all(event: &Recorded, first: u32, domain: &AssignedDomain) -> impl Iterator<Item = Self> {
        (first..)
            .zip(&domain.mailboxes)
            .map(|(index, mailbox)| match &mailbox.mailbox_id {
                Some(id) => Self::Id(id.clone()),
                None => Self::Place(event.source.clone(), event.event_id.clone(), index),
            })
    }
}

/// What the provider answered for a domain, besides an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    /// Its order was accepted: mailboxes follow.
    Accepted,
    /// It failed.
    Failed,
}

/// The outcome of one domain of an order, merged over all webhooks about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Outcome {
    /// The first event that assigned it mailboxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assigned: Option<Stamp>,
    /// Its mailboxes: those of several successes add up.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    mailboxes: BTreeSet<MailboxKey>,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    subscription_id: Newest<SubscriptionId, Lasting>,
    /// The newest answer besides an assignment.
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    answer: Newest<Answer>,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    reason: Newest<String>,
}

impl Outcome {
    /// Merges mailboxes that it got, the first of which has the given index in the event.
    pub(crate) fn assign(&mut self, event: &Recorded, stamp: &Stamp, first: u32, domain: &AssignedDomain) {
        self.assign_at(stamp);
        self.mailboxes.extend(MailboxKey::of_all(event, first, domain));
        let lasting = (latest_expiry(domain), *stamp);
        self.subscription_id.offer(&lasting, domain.subscription_id.as_ref());
    }

    /// Merges a mailbox that was created by itself.
    pub(crate) fn create(&mut self, stamp: &Stamp, facts: &MailboxCreated) {
        self.assign_at(stamp);
        self.mailboxes.insert(MailboxKey::Id(facts.mailbox_id.clone()));
        self.subscription_id
            .offer(&(facts.expiry_date, *stamp), facts.subscription_id.as_ref());
    }

    /// Merges an order of mailboxes that was accepted: they are still to come.
    pub(crate) fn accept(&mut self, stamp: &Stamp, facts: &MailboxOrderFacts) {
        self.subscription_id
            .offer(&(facts.expiry_date, *stamp), facts.subscription_id.as_ref());
        self.answer.offer(stamp, Some(&Answer::Accepted));
    }

    fn assign_at(&mut self, stamp: &Stamp) {
        self.assigned = Some(self.assigned.map_or(*stamp, |held| held.min(*stamp)));
    }

    /// When its failure was made good: when it was first assigned mailboxes, or its order was accepted after all.
    pub(crate) fn made_good_at(&self) -> Option<Timestamp> {
        let accepted = self.answer.keyed().filter(|(_, answer)| **answer == Answer::Accepted);
        let stamp = self.assigned.or(accepted.map(|(stamp, _)| *stamp));
        stamp.map(|stamp| stamp.time())
    }

    /// Merges a failure.
    pub(crate) fn fail(&mut self, stamp: &Stamp, reason: Option<&String>) {
        self.answer.offer(stamp, Some(&Answer::Failed));
        self.reason.offer(stamp, reason);
    }

    /// Assigned wins over failed, whichever came first: the mailboxes exist.
    pub(crate) fn status(&self) -> DomainStatus {
        match (self.assigned, self.answer.get()) {
            (Some(_), _) => DomainStatus::Assigned,
            (None, Some(Answer::Failed)) => DomainStatus::Failed,
            (None, Some(Answer::Accepted) | None) => DomainStatus::Pending,
        }
    }

    pub(crate) fn mailbox_count(&self) -> usize {
        self.mailboxes.len()
    }

    pub(crate) fn subscription_id(&self) -> Option<&SubscriptionId> {
        self.subscription_id.get()
    }

    /// The reason, if its status is failed.
    pub(crate) fn reason(&self) -> Option<&String> {
        self.reason.get().filter(|_| self.status() == DomainStatus::Failed)
    }
}
