//! References against the events that they lead to.
//!
//! An event has all of its references or, where its stream was found without them, none: [`Needed`] says when.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use aggregates::Position;
use lru::LruCache;

use super::implied::{Needed, Referring};
use super::{Finding, FindingKind};
use store::{Lookup, Reference, Store, StoreError};

/// Positions whose references are read at once: each time reads the whole table.
const BLOCK: u64 = 1 << 19;
/// References that are remembered with the stream that they lead to. Others are asked for.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1 << 17).unwrap();

/// The references, as far as they were compared.
pub(super) struct References<'s> {
    store: &'s dyn Store,
    head: u64,
    /// Those of the block that were not compared yet.
    stored: VecDeque<(i64, Reference)>,
    /// The first position behind the block.
    end: u64,
    leading: LruCache<(Reference, String), ()>,
}

impl<'s> References<'s> {
    /// Those of the events up to a position.
    pub(super) fn new(store: &'s dyn Store, head: u64) -> Self {
        Self {
            store,
            head,
            stored: VecDeque::new(),
            end: 1,
            leading: LruCache::new(REMEMBERED),
        }
    }

    /// Compares those of events up to a position, all of which refer to something, with what is stored.
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
            } else if stored.is_empty() && !matches!(event.needed, Needed::Never) {
                without.push(event);
            } else {
                findings.push(deleted(event.position));
            }
        }
        findings.extend(self.strays(until + 1).await?);
        findings.extend(self.unfounded(without).await?);
        Ok(findings)
    }

    /// References that lead to nothing: to no event, before the first or behind the last one.
    pub(super) async fn outside(&self) -> Result<Vec<Finding>, StoreError> {
        let before = self.store.references(i64::MIN..1).await?;
        let first = i64::try_from(self.head).unwrap_or(i64::MAX).saturating_add(1);
        let behind = self.store.references(first..i64::MAX).await?;
        // what was appended meanwhile is there with its references
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

    /// Reads on until the block goes beyond a position.
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

    /// References that lead to events before a position which refer to nothing.
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

    /// The references that lead to an event.
    fn of(&mut self, position: u64) -> Vec<Reference> {
        let mut found = Vec::new();
        while let Some((_, reference)) = self.stored.pop_front_if(|(at, _)| at.unsigned_abs() == position) {
            found.push(reference);
        }
        found
    }

    /// Events without references whose stream is not found without them either.
    async fn unfounded(&mut self, without: Vec<Referring>) -> Result<Vec<Finding>, StoreError> {
        let needed = |event: &Referring| match &event.needed {
            Needed::Before(references) => references.clone(),
            Needed::Never => Vec::new(),
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
