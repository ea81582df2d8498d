//! Tokens against the events. When a token was last used is not recorded as an event, so it is not checked.

use std::collections::BTreeMap;

use aggregates::AccessFacts;
use jiff::Timestamp;

use super::implied::Implied;
use super::{Finding, FindingKind};
use store::StoredToken;

/// A token's state by the events.
#[derive(Default)]
struct Expected {
    created: Option<(u64, Box<AccessFacts>)>,
    /// Each revocation, with the time expected in the row. There may be several: an interrupted one is repeated.
    revoked: Vec<(u64, Option<Timestamp>)>,
}

impl Expected {
    /// The event that proves that the token's row must exist.
    fn row(&self) -> Option<u64> {
        match self.revoked.last() {
            None => self.created.as_ref().map(|(position, _)| *position),
            // a revocation without a time may have found no row
            Some((position, at)) => at.map(|_| *position),
        }
    }
}

/// The tokens' states by the events, by their ids.
#[derive(Default)]
pub(super) struct Tokens(BTreeMap<String, Expected>);

impl Tokens {
    /// Takes in an event's effect.
    pub(super) fn note(&mut self, position: u64, implied: &Implied) {
        match implied {
            Implied::TokenCreated(id, facts) => {
                self.0.entry(id.clone()).or_default().created = Some((position, facts.clone()));
            }
            Implied::TokenRevoked(id, at) => self.0.entry(id.clone()).or_default().revoked.push((position, *at)),
            _ => {}
        }
    }

    /// Compares with the table.
    pub(super) fn compare(&self, stored: &[StoredToken]) -> Vec<Finding> {
        let finding = |position: Option<u64>, detail: String| {
            let positions = position.map(|position| (position, position));
            Finding::new(FindingKind::Token, positions, detail)
        };
        let mut findings = Vec::new();
        for token in stored {
            let id = token.id.as_str();
            let implied = self.0.get(id);
            let Some((implied, (created_at, facts))) =
                implied.and_then(|implied| Some((implied, implied.created.as_ref()?)))
            else {
                findings.push(finding(None, format!("no event tells of token {id}: it was put in")));
                continue;
            };
            for (what, implied, stored) in differences(facts, token) {
                let detail = format!("token {id} was made here with the {what} {implied}, and has {stored}");
                findings.push(finding(Some(*created_at), detail));
            }
            match (implied.revoked.last(), token.revoked_at) {
                (Some((revoked_at, _)), None) => {
                    let detail = format!("token {id} was revoked here, and is good in the table: revoke it again");
                    findings.push(finding(Some(*revoked_at), detail));
                }
                (None, Some(_)) => {
                    findings.push(finding(
                        Some(*created_at),
                        format!("token {id} is revoked in the table, and not by any event"),
                    ));
                }
                // of two simultaneous revocations either may have marked the row
                (Some((revoked_at, Some(last))), Some(at))
                    if implied.revoked.iter().all(|(_, implied)| is_other(*implied, at)) =>
                {
                    let detail = format!("token {id} was revoked here at {last}, and the table says {at}");
                    findings.push(finding(Some(*revoked_at), detail));
                }
                _ => {}
            }
        }
        for (id, implied) in &self.0 {
            if let Some(position) = implied.row()
                && !stored.iter().any(|token| token.id.as_str() == id)
            {
                let done = if implied.revoked.is_empty() { "made" } else { "revoked" };
                let detail = format!(
                    "token {id} was {done} here, and is not in the table: it was removed, or its making was cut short; \
                     `warmledger tokens revoke {id}` settles it"
                );
                findings.push(finding(Some(position), detail));
            }
        }
        findings
    }
}

fn is_other(implied: Option<Timestamp>, stored: Timestamp) -> bool {
    implied.is_some_and(|implied| implied != stored)
}

/// The differences between the event and the row: the field, the event's value, the row's value. Older events hold only
/// the scopes; later ones hold all fields.
fn differences(facts: &AccessFacts, token: &StoredToken) -> Vec<(&'static str, String, String)> {
    let mut pairs = vec![("scopes", facts.scopes.join(" "), token.scopes.to_string())];
    if let Some(made) = &facts.token {
        let expiry = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        pairs.extend([
            ("hash", made.hash.clone(), token.hash.to_string()),
            ("name", made.name.clone(), token.name.clone()),
            ("expiry", expiry(made.expires_at), expiry(token.expires_at)),
            ("time", made.created_at.to_string(), token.created_at.to_string()),
        ]);
    }
    pairs.retain(|(_, implied, stored)| implied != stored);
    pairs
}
