//! Tokens against the events that tell of them.

use std::collections::BTreeMap;

use super::told::Deed;
use super::{Finding, FindingKind};
use crate::store::StoredToken;

/// What the events say of a token.
#[derive(Default)]
struct Expected {
    created: Option<(u64, Vec<String>)>,
    revoked_at: Option<u64>,
}

/// What the events say of tokens, by their ids.
#[derive(Default)]
pub(super) struct Tokens(BTreeMap<String, Expected>);

impl Tokens {
    /// Takes in what an event tells.
    pub(super) fn note(&mut self, position: u64, deed: &Deed) {
        match deed {
            Deed::TokenCreated(id, scopes) => {
                self.0.entry(id.clone()).or_default().created = Some((position, scopes.clone()));
            }
            Deed::TokenRevoked(id) => self.0.entry(id.clone()).or_default().revoked_at = Some(position),
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
            let told = self.0.get(id);
            let Some((created_at, scopes)) = told.and_then(|told| told.created.as_ref()) else {
                findings.push(finding(None, format!("no event tells of token {id}: it was put in")));
                continue;
            };
            if *scopes != token.scopes.names() {
                let detail = format!(
                    "token {id} was made here with the scopes {}, and has {}",
                    scopes.join(" "),
                    token.scopes
                );
                findings.push(finding(Some(*created_at), detail));
            }
            match (told.and_then(|told| told.revoked_at), token.revoked_at) {
                (Some(revoked_at), None) => {
                    let detail = format!("token {id} was revoked here, and is good in the table: revoke it again");
                    findings.push(finding(Some(revoked_at), detail));
                }
                (None, Some(_)) => {
                    findings.push(finding(
                        Some(*created_at),
                        format!("token {id} is revoked in the table, and not by any event"),
                    ));
                }
                _ => {}
            }
        }
        for (id, told) in &self.0 {
            if let (Some((created_at, _)), None) = (&told.created, told.revoked_at)
                && !stored.iter().any(|token| token.id.as_str() == id)
            {
                let detail = format!(
                    "token {id} was made here, and is not in the table: it was removed, or its making was cut short; \
                     `warmledger tokens revoke {id}` settles it"
                );
                findings.push(finding(Some(*created_at), detail));
            }
        }
        findings
    }
}
