//! References against the events that they lead to.
//!
//! An event has all of its references, or none if its stream was found without them: see [`Needed`].

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use aggregates::Position;
use lru::LruCache;

use super::implied::{Needed, Referring};
use super::{Finding, FindingKind};
use store::{Lookup, Reference, Store, StoreError};

/// Positions whose references are read at once: each read scans the whole table.
const BLOCK: u64 = 1 << 19;
/// References cached with the stream that they lead to. Others are looked up.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1 << 17).unwrap();

/// The stored references, and how far they were compared.
pub(super) struct References<'s> {
    store: &'s dyn Store,
    head: u64,
    /// References of the block that were not compared yet.
    stored: VecDeque<(i64, Reference)>,
    /// The first position after the block.
    end: u64,
    leading: LruCache<(Reference, String), ()>,
}

impl<'s> References<'s> {
    /// For the events up to a position.
    pub(super) fn new(store: &'s dyn Store, head: u64) -> Self {
        Self {
            store,
            head,
            stored: VecDeque::new(),
            end: 1,
            leading: LruCache::new(REMEMBERED),
        }
    }

    /// Compares the references of events up to a position, each of which should have some, with the stored ones.
    pub(super) async fn compare(&mut self, referring: Vec<Referring>, until: u64) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        let mut without = Vec::new();
        for event in referring {
            findings.extend(self.strays(event.position).await?);
            let mut stored = self.of(event.position);
            let mut expected = event.references.clone();
            stored.sort_unstable();
            expected.sort_unstable();
            if stored == expected {
                let leading = expected.into_iter().map(|reference| (reference, event.stream.clone()));
                for leads in leading {
                    self.leading.put(leads, ());
                }
                continue;
            }
            if stored.iter().any(|reference| !expected.contains(reference)) {
                findings.push(inserted(event.position));
            } else if stored.is_empty() && !matches!(event.needed, Needed::Optional) {
                without.push(event);
            } else {
                findings.push(deleted(event.position));
            }
        }
        findings.extend(self.strays(until + 1).await?);
        findings.extend(self.unfounded(without).await?);
        Ok(findings)
    }

    /// References that lead to no event: before the first or after the last one.
    pub(super) async fn outside(&self) -> Result<Vec<Finding>, StoreError> {
        let before = self.store.references(i64::MIN..1).await?;
        let first = i64::try_from(self.head).unwrap_or(i64::MAX).saturating_add(1);
        let behind = self.store.references(first..i64::MAX).await?;
        // later appends have references of their own
        let Position(end) = self
            .store
            .head()
            .await
            .map_or(Position(self.head), |head| head.position);
        let outside = before.into_iter().chain(behind).map(|(position, _)| position);
        let outside = outside.filter(|position| u64::try_from(*position).is_ok_and(|at| at > end) || *position < 1);
        let stray = |position| {
            let detail = format!("a reference leads to position {position}, where there is no event: it was put in");
            Finding::new(FindingKind::References, None, detail)
        };
        Ok(outside.map(stray).collect())
    }

    /// Reads blocks until the last one ends after a position.
    async fn read_to(&mut self, position: u64) -> Result<(), StoreError> {
        while self.end <= position && self.end <= self.head {
            let end = (self.end + BLOCK).min(self.head + 1);
            let signed = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
            self.stored
                .extend(self.store.references(signed(self.end)..signed(end)).await?);
            self.end = end;
        }
        Ok(())
    }

    /// References to events before a position that should have none.
    async fn strays(&mut self, position: u64) -> Result<Vec<Finding>, StoreError> {
        self.read_to(position).await?;
        let mut findings: Vec<Finding> = Vec::new();
        while let Some((stray, _)) = self.stored.pop_front_if(|(at, _)| at.unsigned_abs() < position) {
            let stray = stray.unsigned_abs();
            if findings.last().and_then(|last| last.position) != Some(stray) {
                findings.push(inserted(stray));
            }
        }
        Ok(findings)
    }

    /// The stored references to an event.
    fn of(&mut self, position: u64) -> Vec<Reference> {
        let mut found = Vec::new();
        while let Some((_, reference)) = self.stored.pop_front_if(|(at, _)| at.unsigned_abs() == position) {
            found.push(reference);
        }
        found
    }

    /// Events that lack references without which their stream is not found.
    async fn unfounded(&mut self, without: Vec<Referring>) -> Result<Vec<Finding>, StoreError> {
        let needed = |event: &Referring| match &event.needed {
            Needed::UnlessKnown(references) => references.clone(),
            Needed::Optional => Vec::new(),
        };
        let mut asked = Vec::new();
        for event in &without {
            for reference in needed(event) {
                if self.leading.get(&(reference, event.stream.clone())).is_none() {
                    asked.push(reference);
                }
            }
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        asked.sort_unstable();
        asked.dedup();
        let lookup = Lookup {
            references: asked,
            ..Lookup::default()
        };
        let found = self.store.lookup(&lookup).await?.references;
        for (reference, stream) in found {
            self.leading.put((reference, stream.into()), ());
        }
        let lost = without.iter().filter(|event| {
            let leads = |reference| self.leading.contains(&(reference, event.stream.clone()));
            !needed(event).into_iter().all(leads)
        });
        Ok(lost.map(|event| deleted(event.position)).collect())
    }
}

fn inserted(position: u64) -> Finding {
    let detail = "references lead to it that its facts do not have: they were put in";
    Finding::new(FindingKind::References, (position, position), detail)
}

fn deleted(position: u64) -> Finding {
    let detail = "references by which it is found are missing: they were removed";
    Finding::new(FindingKind::References, (position, position), detail)
}
