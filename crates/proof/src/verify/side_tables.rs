//! Compares the side tables with what the events imply. A live service goes on meanwhile: later events are read too,
//! and remaining differences are checked again.

use std::sync::Arc;
use std::time::Duration;

use aggregates::Position;
use tokio::time::sleep;

use super::data_keys;
use super::implied::{Implied, ImpliedState};
use super::master_keys::{self, MasterKeys};
use super::references::References;
use super::signing_keys::SigningKeys;
use super::subjects::Subjects;
use super::tokens::Tokens;
use super::{Finding, FindingKind, Report};
use store::{EventFilter, EventQuery, Store, StoreError};
use vault::MasterKeySource;

/// Events read at once.
const PAGE: u32 = 1_000;
/// The row of a token or of a key is not written together with its event: differences are checked so often, with such a
/// pause.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// The tables whose rows are not written together with their events.
#[derive(Clone, Copy)]
enum LateTable {
    Tokens,
    SigningKeys,
    MasterKeys,
}

/// The side tables.
pub(super) struct SideTables<'s> {
    store: &'s dyn Store,
    /// The position up to which events were taken in.
    seen: u64,
    references: References<'s>,
    subjects: Subjects<'s>,
    tokens: Tokens,
    signing_keys: SigningKeys,
    master_keys: MasterKeys,
}

impl<'s> SideTables<'s> {
    /// For a log that is checked up to a position.
    pub(super) fn new(store: &'s dyn Store, head: u64) -> Self {
        Self {
            store,
            seen: head,
            references: References::new(store, head),
            subjects: Subjects::new(store),
            tokens: Tokens::default(),
            signing_keys: SigningKeys::default(),
            master_keys: MasterKeys::default(),
        }
    }

    /// Takes in the next rows, up to a position, and compares as much as possible at once.
    pub(super) async fn take(
        &mut self,
        implied: ImpliedState,
        until: u64,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let ImpliedState {
            implied,
            sealed,
            keyless,
            referring,
        } = implied;
        for (position, implied) in &implied {
            self.note(*position, implied);
        }
        let keys = self.subjects.keys(sealed, keyless).await;
        report.add_all(found(keys, FindingKind::Subject, "subjects")?);
        let references = self.references.compare(referring, until).await;
        report.add_all(found(references, FindingKind::References, "refs")?);
        Ok(())
    }

    /// Compares the rest, once all rows were taken in.
    pub(super) async fn finish(
        mut self,
        masters: Option<&Arc<dyn MasterKeySource>>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let outside = self.references.outside().await;
        report.add_all(found(outside, FindingKind::References, "refs")?);
        let subjects = self.subjects().await;
        report.add_all(found(subjects, FindingKind::Subject, "subjects")?);
        let tokens = self.lasting_differences(LateTable::Tokens).await;
        report.add_all(found(tokens, FindingKind::Token, "tokens")?);
        let signing_keys = self.lasting_differences(LateTable::SigningKeys).await;
        report.add_all(found(signing_keys, FindingKind::Key, "signing_keys")?);
        let misshapen = data_keys::misshapen(self.store).await;
        report.add_all(found(misshapen, FindingKind::Key, "data_keys")?);
        let unnamed = data_keys::unnamed(self.store).await;
        report.add_all(found(unnamed, FindingKind::Key, "data_keys or events")?);
        let opened = data_keys::open_all(self.store, masters, report).await;
        let opened = opened.map(|()| Vec::new());
        report.add_all(found(opened, FindingKind::Key, "data_keys")?);
        let master_keys = self.lasting_differences(LateTable::MasterKeys).await;
        report.add_all(found(master_keys, FindingKind::Key, "master_key or data_keys")?);
        Ok(())
    }

    async fn subjects(&mut self) -> Result<Vec<Finding>, StoreError> {
        // a subject's marks are written in the same step as the event
        let (at, states) = self.store.marked_subjects().await?;
        self.catch_up(at).await?;
        self.subjects.compare(&states, at).await
    }

    /// The differences that remain after a while.
    async fn lasting_differences(&mut self, what: LateTable) -> Result<Vec<Finding>, StoreError> {
        let mut findings = self.compare(what).await?;
        for _ in 1..LOOKS {
            if findings.is_empty() {
                break;
            }
            sleep(PAUSE).await;
            let still = self.compare(what).await?;
            findings.retain(|finding| still.contains(finding));
        }
        Ok(findings)
    }

    /// Compares the tables with the events, which are read afterwards.
    async fn compare(&mut self, what: LateTable) -> Result<Vec<Finding>, StoreError> {
        Ok(match what {
            LateTable::Tokens => {
                let stored = self.store.tokens().await?;
                self.catch_up_with_head().await?;
                self.tokens.compare(&stored)
            }
            LateTable::SigningKeys => {
                let stored = self.store.signing_keys().await?;
                self.catch_up_with_head().await?;
                self.signing_keys.compare(&stored)
            }
            LateTable::MasterKeys => {
                let stored = master_keys::Stored::read(self.store).await?;
                self.catch_up_with_head().await?;
                self.master_keys.compare(&stored)
            }
        })
    }

    async fn catch_up_with_head(&mut self) -> Result<(), StoreError> {
        // without a head no process can append
        let head = self
            .store
            .head()
            .await
            .map_or(Position(self.seen), |head| head.position);
        self.catch_up(head).await
    }

    fn note(&mut self, position: u64, implied: &Implied) {
        self.subjects.note(position, implied);
        self.tokens.note(position, implied);
        self.signing_keys.note(position, implied);
        self.master_keys.note(position, implied);
    }

    /// Takes in later events.
    async fn catch_up(&mut self, until: Position) -> Result<(), StoreError> {
        while self.seen < until.0 {
            let query = EventQuery {
                after: Position(self.seen),
                until: Some(until),
                limit: PAGE,
                filter: EventFilter {
                    types: Implied::TYPES.map(str::to_owned).to_vec(),
                    ..EventFilter::default()
                },
                ..EventQuery::default()
            };
            let page = self.store.events(&query).await?;
            for event in &page {
                let (schema_version, subject) = (event.schema_version.into(), event.subject.as_str());
                if let Some(implied) = Implied::of(&event.type_name, schema_version, subject, &event.facts) {
                    self.note(event.position.0, &implied);
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

/// The findings, or a finding that the table is missing or cannot be read.
fn found(
    findings: Result<Vec<Finding>, StoreError>,
    kind: FindingKind,
    table: &str,
) -> Result<Vec<Finding>, StoreError> {
    match findings {
        Err(StoreError::Corrupt(error)) => {
            let detail = format!("{table} cannot be read: {error}");
            Ok(vec![Finding::new(kind, None, detail)])
        }
        Err(error) if error.is_missing_table() => {
            let detail = format!("a table was removed, and nothing was compared with it: {error}");
            Ok(vec![Finding::new(FindingKind::Table, None, detail)])
        }
        findings => findings,
    }
}
