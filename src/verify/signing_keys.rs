//! The keys that checkpoints are signed with, against the events that tell of them: of every one but the first.

use std::collections::BTreeMap;

use super::told::Deed;
use super::{Finding, FindingKind};
use crate::store::KeptKey;

/// The keys that events tell of, as `NAME+HASH+KEY`, and where.
#[derive(Default)]
pub(super) struct SigningKeys(BTreeMap<String, u64>);

impl SigningKeys {
    /// Takes in what an event tells.
    pub(super) fn note(&mut self, position: u64, deed: &Deed) {
        if let Deed::SigningKeyRotated(key) = deed {
            self.0.entry(key.clone()).or_insert(position);
        }
    }

    /// Compares with the table.
    pub(super) fn compare(&self, stored: &[KeptKey]) -> Vec<Finding> {
        let finding = |position: Option<u64>, detail: String| {
            let positions = position.map(|position| (position, position));
            Finding::new(FindingKind::Key, positions, detail)
        };
        let untold: Vec<&str> = stored
            .iter()
            .map(|key| key.verifier.as_str())
            .filter(|key| !self.0.contains_key(*key))
            .collect();
        let mut findings = Vec::new();
        match untold[..] {
            [_] => {}
            [] if stored.is_empty() && self.0.is_empty() => {}
            [] => findings.push(finding(None, "the first signing key was removed".to_owned())),
            _ => findings.push(finding(
                None,
                format!(
                    "only the first signing key comes without an event, and here are {}; all but one were put in: {}",
                    untold.len(),
                    untold.join(", ")
                ),
            )),
        }
        for (key, position) in &self.0 {
            if !stored.iter().any(|stored| stored.verifier == *key) {
                let detail = format!(
                    "the signing key {key} was made here, and is not in the table: it was removed, or its making was cut short; \
                     `warmledger keys rotate-signing` settles that"
                );
                findings.push(finding(Some(*position), detail));
            }
        }
        findings
    }
}
