//! The signing keys against the events that announce them: each but the first has one.

use std::collections::BTreeMap;

use super::implied::Implied;
use super::{Finding, FindingKind};
use store::KeptKey;

/// The keys announced by events, as `NAME+HASH+KEY`, and the events' positions.
#[derive(Default)]
pub(super) struct SigningKeys(BTreeMap<String, u64>);

impl SigningKeys {
    /// Takes in an event's effect.
    pub(super) fn note(&mut self, position: u64, implied: &Implied) {
        if let Implied::SigningKeyRotated(key) = implied {
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
        findings.extend(
            self.misplaced(stored)
                .map(|(position, detail)| finding(Some(position), detail)),
        );
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

    /// The first key in a wrong place: the one without an event comes first, and the others in the order of their
    /// events, since only the newest one can announce another.
    fn misplaced(&self, stored: &[KeptKey]) -> Option<(u64, String)> {
        let made = |key: &KeptKey| self.0.get(&key.verifier).copied().unwrap_or(0);
        let pair = stored.windows(2).find(|pair| made(&pair[0]) > made(&pair[1]))?;
        let detail = format!(
            "the signing key {} was made here, and stands in front of {}, which is older: their order was changed",
            pair[0].verifier, pair[1].verifier
        );
        Some((made(&pair[0]), detail))
    }
}
