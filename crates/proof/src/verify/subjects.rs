//! Legal holds, erasures and data keys against the events.

use std::collections::{BTreeMap, HashMap};

use aggregates::{Position, SubjectId};

use super::implied::Implied;
use super::{Finding, FindingKind};
use store::{EventFilter, EventQuery, Parts, Store, StoreError, SubjectState};

/// Events of a subject read at once.
const PAGE: u32 = 100;

/// A subject's state by the events.
#[derive(Clone, Copy, Default)]
struct Expected {
    held_at: Option<u64>,
    erased_at: Option<u64>,
    /// The last event with something sealed.
    sealed_at: u64,
}

/// The subjects' states by the events.
pub(super) struct Subjects<'s> {
    store: &'s dyn Store,
    /// The subjects that were ever held or erased.
    marked: BTreeMap<String, Expected>,
}

impl<'s> Subjects<'s> {
    pub(super) fn new(store: &'s dyn Store) -> Self {
        Self {
            store,
            marked: BTreeMap::new(),
        }
    }

    /// Takes in an event's effect.
    pub(super) fn note(&mut self, position: u64, implied: &Implied) {
        let (Implied::Erased(subject) | Implied::Held(subject) | Implied::Released(subject)) = implied else {
            return;
        };
        let marks = self.marked.entry(subject.clone()).or_default();
        match implied {
            Implied::Erased(_) => marks.erased_at = Some(position),
            Implied::Held(_) => marks.held_at = marks.held_at.or(Some(position)),
            _ => marks.held_at = None,
        }
    }

    /// Takes in the first and the last sealed event of subjects. Those without a data key must have been erased later.
    pub(super) async fn keys(
        &mut self,
        sealed: HashMap<String, (u64, u64)>,
        keyless: Vec<SubjectId>,
    ) -> Result<Vec<Finding>, StoreError> {
        for (subject, (_, last)) in &sealed {
            if let Some(marks) = self.marked.get_mut(subject) {
                marks.sealed_at = *last;
            }
        }
        if keyless.is_empty() {
            return Ok(Vec::new());
        }
        let states = self.store.subjects(&keyless).await?;
        let known: HashMap<&SubjectId, &SubjectState> = states.iter().map(|state| (&state.subject, state)).collect();
        let mut findings = Vec::new();
        for subject in &keyless {
            let state = known.get(subject);
            if state.is_some_and(|state| state.has_key) {
                continue;
            }
            let Some((first, last)) = sealed.get(subject.as_str()) else {
                continue;
            };
            let erased_at = state.and_then(|state| state.erased_at).unwrap_or_default().0;
            if erased_at < *last {
                let detail = format!(
                    "the data key of subject {subject} is missing, and it was not erased: nothing of it can be opened"
                );
                let first = (erased_at + 1).max(*first);
                findings.push(Finding::new(FindingKind::Key, (first, *last), detail));
            }
        }
        Ok(findings)
    }

    /// Compares with the tables' states, which are as of this position.
    pub(super) async fn compare(&self, states: &[SubjectState], at: Position) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        let stored: HashMap<&str, &SubjectState> = states.iter().map(|state| (state.subject.as_str(), state)).collect();
        for (subject, expected) in &self.marked {
            let state = stored.get(subject.as_str());
            let held_at = state.and_then(|state| state.held_at).map(|at| at.0);
            let erased_at = state.and_then(|state| state.erased_at).map(|at| at.0);
            findings.extend(difference(subject, "under legal hold", expected.held_at, held_at));
            findings.extend(difference(subject, "erased", expected.erased_at, erased_at));
            if let (Some(erased_at), Some(state)) = (expected.erased_at, state)
                && state.has_key
                && expected.sealed_at <= erased_at
                && !self.sealed_since(&state.subject, erased_at, at).await?
            {
                let detail = format!(
                    "subject {subject} was erased here and nothing was sealed for it since, and it has a data key: one was \
                     put in"
                );
                findings.push(Finding::new(FindingKind::Key, (erased_at, erased_at), detail));
            }
        }
        for state in states {
            let subject = state.subject.as_str();
            if !self.marked.contains_key(subject) {
                findings.extend(difference(
                    subject,
                    "under legal hold",
                    None,
                    state.held_at.map(|at| at.0),
                ));
                findings.extend(difference(subject, "erased", None, state.erased_at.map(|at| at.0)));
                if state.held_at.or(state.erased_at).is_none() {
                    let detail = format!("no event holds or erases subject {subject}: its row in subjects was put in");
                    findings.push(Finding::new(FindingKind::Subject, None, detail));
                }
            }
        }
        Ok(findings)
    }

    /// Whether something was sealed for a subject after a position.
    async fn sealed_since(&self, subject: &SubjectId, position: u64, until: Position) -> Result<bool, StoreError> {
        let mut query = EventQuery {
            after: Position(position),
            until: Some(until),
            limit: PAGE,
            parts: Parts::All,
            filter: EventFilter {
                subject: Some(subject.clone()),
                ..EventFilter::default()
            },
        };
        loop {
            let page = self.store.events(&query).await?;
            if page.iter().any(|event| event.sealed.original.is_some()) {
                return Ok(true);
            }
            let Some(last) = page.last().filter(|_| page.len() == PAGE as usize) else {
                return Ok(false);
            };
            query.after = last.position;
        }
    }
}

/// A finding if the events and the table differ on a subject.
fn difference(subject: &str, what: &str, implied: Option<u64>, stored: Option<u64>) -> Option<Finding> {
    let detail = match (implied, stored) {
        (implied, stored) if implied == stored => return None,
        (Some(implied), Some(stored)) => {
            format!("subject {subject} is {what} by the event at {implied}, and the table of subjects names {stored}")
        }
        (Some(_), None) => format!("subject {subject} is {what} by this event, and not by the table of subjects"),
        (None, _) => format!("subject {subject} is {what} by the table of subjects, and not by any event"),
    };
    let position = implied.or(stored)?;
    Some(Finding::new(FindingKind::Subject, (position, position), detail))
}
