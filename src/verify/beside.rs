//! The tables beside the log, against what its events tell of them. A live service goes on meanwhile: what it has appended
//! since is read too, and what still differs is looked at again.

use std::time::Duration;

use aggregates::Position;
use tokio::time::sleep;

use super::references::References;
use super::signing_keys::SigningKeys;
use super::subjects::Subjects;
use super::tokens::Tokens;
use super::told::{Deed, Told};
use super::{Finding, FindingKind, Report};
use crate::store::{EventFilter, EventQuery, Store, StoreError};

/// Events that are read at once.
const PAGE: u32 = 1_000;
/// The row of a token or a signing key is written after its event: what differs is looked at so often, with such a pause.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// The tables beside the log.
pub(super) struct Beside<'s> {
    store: &'s dyn Store,
    /// Up to here events were taken in.
    seen: u64,
    references: References<'s>,
    subjects: Subjects<'s>,
    tokens: Tokens,
    signing_keys: SigningKeys,
}

impl<'s> Beside<'s> {
    /// For a log that is checked up to a position.
    pub(super) fn new(store: &'s dyn Store, head: u64) -> Self {
        Self {
            store,
            seen: head,
            references: References::new(store, head),
            subjects: Subjects::new(store),
            tokens: Tokens::default(),
            signing_keys: SigningKeys::default(),
        }
    }

    /// Takes in what the next rows tell, those up to a position, and compares what can be compared at once.
    pub(super) async fn take(&mut self, told: Told, until: u64, report: &mut Report) -> Result<(), StoreError> {
        let Told {
            deeds,
            sealed,
            keyless,
            referring,
        } = told;
        for (position, deed) in &deeds {
            self.note(*position, deed);
        }
        report.add_all(self.subjects.keys(sealed, keyless).await?);
        report.add_all(self.references.compare(referring, until).await?);
        Ok(())
    }

    /// Compares the rest, once all rows were taken in.
    pub(super) async fn finish(mut self, report: &mut Report) -> Result<(), StoreError> {
        report.add_all(self.references.outside().await?);
        match self.subjects().await {
            Err(StoreError::Corrupt(error)) => report.add(unreadable(FindingKind::Subject, "subjects", &error)),
            findings => report.add_all(findings?),
        }
        match self.tokens_and_signing_keys().await {
            Err(StoreError::Corrupt(error)) => report.add(unreadable(FindingKind::Token, "tokens", &error)),
            findings => report.add_all(findings?),
        }
        Ok(())
    }

    async fn subjects(&mut self) -> Result<Vec<Finding>, StoreError> {
        // a subject's marks change in the step that records the event
        let (at, states) = self.store.marked_subjects().await?;
        self.catch_up(at).await?;
        self.subjects.compare(&states, at).await
    }

    async fn tokens_and_signing_keys(&mut self) -> Result<Vec<Finding>, StoreError> {
        let mut findings = self.compare_tokens_and_signing_keys().await?;
        for _ in 1..LOOKS {
            if findings.is_empty() {
                break;
            }
            sleep(PAUSE).await;
            let still = self.compare_tokens_and_signing_keys().await?;
            findings.retain(|finding| still.contains(finding));
        }
        Ok(findings)
    }

    async fn compare_tokens_and_signing_keys(&mut self) -> Result<Vec<Finding>, StoreError> {
        let (tokens, keys) = (self.store.tokens().await?, self.store.signing_keys().await?);
        // without a head there is nobody who appends
        let head = self
            .store
            .head()
            .await
            .map_or(Position(self.seen), |head| head.position);
        self.catch_up(head).await?;
        let mut findings = self.tokens.compare(&tokens);
        findings.extend(self.signing_keys.compare(&keys));
        Ok(findings)
    }

    fn note(&mut self, position: u64, deed: &Deed) {
        self.subjects.note(position, deed);
        self.tokens.note(position, deed);
        self.signing_keys.note(position, deed);
    }

    /// Takes in what was recorded since.
    async fn catch_up(&mut self, until: Position) -> Result<(), StoreError> {
        while self.seen < until.0 {
            let query = EventQuery {
                after: Position(self.seen),
                until: Some(until),
                limit: PAGE,
                filter: EventFilter {
                    types: Deed::TYPES.map(str::to_owned).to_vec(),
                    ..EventFilter::default()
                },
                ..EventQuery::default()
            };
            let page = self.store.events(&query).await?;
            for event in &page {
                let (schema_version, subject) = (event.schema_version.into(), event.subject.as_str());
                if let Some(deed) = Deed::of(&event.type_name, schema_version, subject, &event.facts) {
                    self.note(event.position.0, &deed);
                }
            }
            self.seen = match page.last() {
                Some(last) if page.len() == PAGE as usize => last.position.0,
                _ => until.0,
            };
        }
        Ok(())
    }
}

fn unreadable(kind: FindingKind, table: &str, error: &str) -> Finding {
    Finding::new(kind, None, format!("the table of {table} cannot be read: {error}"))
}
