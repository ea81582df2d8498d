//! The current master key, and those named by data keys, against the events of rotations. The ledger's first master key
//! has no event.

use std::collections::{BTreeMap, BTreeSet};

use super::implied::Implied;
use super::{Finding, FindingKind};
use sealing::FingerprintKey;
use store::{Store, StoreError};

/// The content of the tables.
pub(super) struct Stored {
    current: Option<String>,
    /// The master keys that wrap data keys, and how many each.
    wrapping: Vec<(String, u64)>,
    /// Whether the fingerprint key exists.
    has_fingerprint_key: bool,
}

impl Stored {
    pub(super) async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let counts = store.key_counts().await?.into_iter();
        Ok(Self {
            has_fingerprint_key: store.without_key(&[FingerprintKey::subject()]).await?.is_empty(),
            current: store.master_key().await?.map(|id| id.to_string()),
            wrapping: counts.map(|(id, count)| (id.to_string(), count)).collect(),
        })
    }
}

/// The master keys named by events, by their ids.
#[derive(Default)]
pub(super) struct MasterKeys {
    /// The position at which each became the current one.
    rotated: BTreeMap<String, u64>,
    /// The position at which each was retired.
    retired: BTreeMap<String, u64>,
}

impl MasterKeys {
    /// Takes in an event's effect.
    pub(super) fn note(&mut self, position: u64, implied: &Implied) {
        match implied {
            Implied::KeysRotated(key) => drop(self.rotated.insert(key.clone(), position)),
            Implied::MasterKeyRetired(key) => drop(self.retired.insert(key.clone(), position)),
            _ => {}
        }
    }

    /// Compares with the tables.
    pub(super) fn compare(&self, stored: &Stored) -> Vec<Finding> {
        let finding = |position: Option<u64>, detail: String| {
            let positions = position.map(|position| (position, position));
            Finding::new(FindingKind::Key, positions, detail)
        };
        let mut findings = Vec::new();
        let newest = self.rotated.iter().max_by_key(|(_, position)| **position);
        let Some(current) = &stored.current else {
            let is_new = newest.is_none() && stored.wrapping.is_empty();
            let detail = "the row that says which master key is the current one was removed from master_key";
            let position = newest.map(|(_, position)| *position);
            findings.extend((!is_new).then(|| finding(position, detail.to_owned())));
            return findings;
        };
        // it is created right after the first master key, before anything is sealed
        if !stored.has_fingerprint_key {
            let subject = FingerprintKey::subject();
            let detail = format!(
                "the data key {subject} was removed, by which repeats of webhooks are known: put it back before a service \
                 starts, which would make another one"
            );
            findings.push(finding(None, detail));
        }
        if let Some((implied, position)) = newest.filter(|(implied, _)| *implied != current) {
            let detail = format!(
                "master key {implied} became the current one here, and master_key names {current}: it was changed, or a rotation \
                 was cut short; `warmledger keys rotate` settles that"
            );
            findings.push(finding(Some(*position), detail));
        }
        let named = stored.wrapping.iter().map(|(id, _)| id).chain([current]);
        let untold: BTreeSet<&str> = named
            .filter(|id| !self.rotated.contains_key(*id))
            .map(String::as_str)
            .collect();
        // the second rotation begins only when no data key is left under the first master key
        if untold.len() > usize::from(self.rotated.len() < 2) {
            let ids: Vec<&str> = untold.into_iter().collect();
            let detail = format!(
                "no event tells of a rotation to these master keys, one of which may be the first: {}; their data keys or \
                 the row in master_key were put in, or a rotation was cut short; `warmledger keys rotate` settles that",
                ids.join(", ")
            );
            findings.push(finding(None, detail));
        }
        for (id, count) in &stored.wrapping {
            let retired = self.retired.get(id);
            if let Some(position) = retired.filter(|position| self.rotated.get(id) < Some(position)) {
                let detail = format!("master key {id} was retired here, and wraps {count} data keys: they were put in");
                findings.push(finding(Some(*position), detail));
            }
        }
        findings
    }
}
