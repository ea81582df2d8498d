//! The outcome of one domain of an order: it was assigned mailboxes, or failed, or both in turn.

use std::collections::BTreeSet;
use std::ops::Not;

use aggregates::{
    AssignedDomain, AssignmentFailed, AssignmentFailure, EventId, MailboxId, MailboxesAssigned, Recorded, Source,
    SubscriptionId,
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
    /// No event is known yet.
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
    if facts.failures.is_empty() {
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

/// The outcome of one domain of an order, merged over all webhooks about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Outcome {
    #[serde(default, skip_serializing_if = "Not::not")]
    assigned: bool,
    /// Its mailboxes: those of several successes add up.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    mailboxes: BTreeSet<MailboxKey>,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    subscription_id: Newest<SubscriptionId, Lasting>,
    #[serde(default, skip_serializing_if = "Not::not")]
    failed: bool,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    reason: Newest<String>,
}

impl Outcome {
    /// Merges mailboxes that it got, the first of which has the given index in the event.
    pub(crate) fn assign(&mut self, event: &Recorded, stamp: &Stamp, first: u32, domain: &AssignedDomain) {
        self.assigned = true;
        self.mailboxes.extend(MailboxKey::of_all(event, first, domain));
        let lasting = (latest_expiry(domain), *stamp);
        self.subscription_id.offer(&lasting, domain.subscription_id.as_ref());
    }

    /// Merges a failure.
    pub(crate) fn fail(&mut self, stamp: &Stamp, reason: Option<&String>) {
        self.failed = true;
        self.reason.offer(stamp, reason);
    }

    /// Assigned wins over failed, whichever came first: the mailboxes exist.
    pub(crate) fn status(&self) -> DomainStatus {
        match (self.assigned, self.failed) {
            (true, _) => DomainStatus::Assigned,
            (false, true) => DomainStatus::Failed,
            (false, false) => DomainStatus::Pending,
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
        self.reason.get().filter(|_| !self.assigned)
    }
}
