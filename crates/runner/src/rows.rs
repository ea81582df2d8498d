//! The rows of one projection in memory while events are folded into them; a row that cannot be folded is parked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use aggregates::{Position, Recorded};
use projections::{AnyProjection, Folded, Keys, OpenRow};

use super::RunError;
use super::history::history;
use super::target::Target;
use store::{Advance, Parked, RowChange, Store, StoreError};

/// The rows of one target that a step touches.
pub(super) struct Rows<'s> {
    pub(super) target: &'s Target,
    /// The previous step of this target, if it is still being written.
    before: Option<&'s Advance>,
    pub(super) held: HashMap<String, Row>,
    /// Rows that were parked before, whose events are skipped.
    skipped: BTreeSet<String>,
    /// Rows to park by this step, in the state before the event that cannot be folded.
    parked: BTreeMap<String, (Option<RowChange>, Parked)>,
    /// The stored documents that were read, in bytes.
    pub(super) documents: usize,
    turn: Turn,
}

pub(super) struct Row {
    open: Box<dyn OpenRow>,
    is_new: bool,
}

impl<'s> Rows<'s> {
    pub(super) fn new(target: &'s Target, before: &'s [Advance]) -> Self {
        Self {
            target,
            before: before.iter().find(|step| step.from.name == target.generation.name),
            held: HashMap::new(),
            skipped: BTreeSet::new(),
            parked: BTreeMap::new(),
            documents: 0,
            turn: Turn::default(),
        }
    }

    /// Folds events into the rows that they touch; returns how many times an event touched a row.
    pub(super) async fn fold(&mut self, store: &dyn Store, events: &[Recorded]) -> Result<usize, RunError> {
        let mut count = 0;
        let mut touched: BTreeMap<String, Vec<&Recorded>> = BTreeMap::new();
        let position = self.target.generation.position;
        for event in events.iter().filter(|event| event.position > position) {
            for key in keys(self.target.projection, event)? {
                count += 1;
                if self.held.contains_key(&key) {
                    self.apply(store, &key, event).await?;
                } else if !self.skipped.contains(&key) && !self.parked.contains_key(&key) {
                    touched.entry(key).or_default().push(event);
                }
            }
        }
        let (keys, events): (Vec<String>, Vec<Vec<&Recorded>>) = touched.into_iter().unzip();
        let mut documents = self.look_up(store, &keys).await?;
        for (key, events) in keys.into_iter().zip(events) {
            if self.skipped.contains(&key) {
                continue;
            }
            let document = documents.remove(&key);
            let size = document.as_ref().map_or(0, String::len);
            self.documents += size;
            self.turn.take(size).await;
            let projection = self.target.projection;
            let open = caught(|| projection.open(&key, document.as_deref()));
            match open.and_then(|open| open.map_err(|error| error.to_string())) {
                Ok(open) => {
                    let is_new = document.is_none();
                    self.held.insert(key.clone(), Row { open, is_new });
                    for event in events {
                        if self.held.contains_key(&key) {
                            self.apply(store, &key, event).await?;
                        }
                    }
                }
                // the stored row is unknown, so nothing may be written over it
                Err(error) => {
                    let position = events.first().map_or(position, |event| event.position);
                    self.park(None, Parked { key, position, error });
                }
            }
        }
        Ok(count)
    }

    /// Folds an event into a row in memory.
    async fn apply(&mut self, store: &dyn Store, key: &str, event: &Recorded) -> Result<(), RunError> {
        /// The size that folding an event into a row in memory counts as, in bytes of documents.
        const AN_EVENT: usize = 256;
        self.turn.take(AN_EVENT).await;
        let Some(row) = self.held.get_mut(key) else {
            return Ok(());
        };
        if caught(|| row.open.apply(key, event)).is_err() {
            let is_new = self.held.remove(key).is_some_and(|row| row.is_new);
            self.fold_again(store, key.to_owned(), is_new, event.position).await?;
        }
        Ok(())
    }

    /// Folds a row again after its fold failed, from the events that touch it, up to the first one that cannot be
    /// folded, and parks it there. So the parked row does not depend on the size of steps.
    async fn fold_again(
        &mut self,
        store: &dyn Store,
        key: String,
        is_new: bool,
        until: Position,
    ) -> Result<(), RunError> {
        let projection = self.target.projection;
        let events = history(store, projection, &key, until).await?;
        let events: Vec<&Recorded> = events.iter().collect();
        let (change, parked) = fold_as_far_as_possible(projection, &key, None, &events);
        let change = change.map(|change| RowChange { is_new, ..change });
        let parked = parked.unwrap_or_else(|| Parked {
            key,
            position: until,
            error: "it was folded in vain, and then not; its fold is not the same each time".to_owned(),
        });
        self.park(change, parked);
        Ok(())
    }

    fn park(&mut self, change: Option<RowChange>, parked: Parked) {
        let Parked { key, position, error } = &parked;
        let projection = self.target.projection.name();
        tracing::error!(projection, key, %position, error, "a row is parked");
        metrics::counter!("warmledger_rows_parked_total", "projection" => projection).increment(1);
        self.parked.insert(key.clone(), (change, parked));
    }

    /// The stored documents of the rows with these keys, if they exist; notes which of them are parked.
    async fn look_up(&mut self, store: &dyn Store, keys: &[String]) -> Result<HashMap<String, String>, StoreError> {
        let Target { generation, filter, .. } = self.target;
        let mut documents = HashMap::new();
        // a row that surely does not exist is not parked either
        let is_new = |key: &&String| {
            filter
                .as_ref()
                .is_some_and(|filter| filter.lacks(key, generation.position))
        };
        let keys: Vec<String> = keys.iter().filter(|key| !is_new(key)).cloned().collect();
        if keys.is_empty() || generation.position == Position(0) {
            return Ok(documents);
        }
        self.skipped.extend(store.parked_among(generation, &keys).await?);
        let just_parked = self.before.into_iter().flat_map(|step| &step.parked);
        let asked = |key: &&String| keys.binary_search(key).is_ok();
        self.skipped
            .extend(just_parked.map(|parked| &parked.key).filter(asked).cloned());
        let mut wanted = Vec::new();
        for key in keys.iter().filter(|key| !self.skipped.contains(*key)) {
            match self.before.and_then(|step| step.change(key)) {
                Some(change) => documents.extend(change.document().map(|document| (key.clone(), document.to_owned()))),
                None => wanted.push(key.clone()),
            }
        }
        if !wanted.is_empty() {
            documents.extend(store.documents(generation, &wanted).await?);
        }
        Ok(documents)
    }

    /// The step that writes the rows.
    pub(super) async fn close(mut self, store: &dyn Store, to: Position) -> Result<Advance, RunError> {
        let mut rows: Vec<(String, Row)> = self.held.drain().collect();
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut changes = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            match caught(|| row.open.close(&key)) {
                Ok(Ok(folded)) => {
                    let change = change_to(&key, row.is_new, folded);
                    self.turn.take(change.document().map_or(0, str::len)).await;
                    changes.push(change);
                }
                Ok(Err(_)) | Err(_) => self.fold_again(store, key, row.is_new, to).await?,
            }
        }
        let (parked_changes, parked): (Vec<_>, Vec<_>) = self.parked.into_values().unzip();
        if !parked.is_empty() {
            changes.extend(parked_changes.into_iter().flatten());
            changes.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        }
        Ok(Advance {
            from: self.target.generation.clone(),
            columns: self.target.projection.columns(),
            to,
            changes,
            parked,
            unparked: Vec::new(),
            skipped: self.skipped.into_iter().collect(),
        })
    }
}

/// The amount folded since the last yield to other tasks, in bytes of documents.
#[derive(Default)]
struct Turn(usize);

impl Turn {
    /// Adds an amount, and yields if it is time.
    async fn take(&mut self, bytes: usize) {
        /// The amount folded between two yields, in bytes of documents.
        const TURN: usize = 256 << 10;
        self.0 += bytes;
        if self.0 > TURN {
            self.0 = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// The keys of the rows that an event touches. If this panics, the projection stops.
pub(super) fn keys(projection: &dyn AnyProjection, event: &Recorded) -> Result<Keys, RunError> {
    caught(|| projection.keys(event)).map_err(|_| RunError::Keys {
        projection: projection.name(),
        position: event.position,
    })
}

/// The result of a projection's code; a panic is returned as an error.
fn caught<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|_| "the projection panicked; the log says where".to_owned())
}

/// Folds events into one row up to the first one that cannot be folded. Returns the row before that event, unless it is
/// unchanged, and the error.
pub(super) fn fold_as_far_as_possible(
    projection: &dyn AnyProjection,
    key: &str,
    document: Option<&str>,
    events: &[&Recorded],
) -> (Option<RowChange>, Option<Parked>) {
    if let Ok(change) = fold_row(projection, key, document, events) {
        return (Some(change), None);
    }
    let mut last: Option<RowChange> = None;
    for event in events {
        let document = last.as_ref().map_or(document, RowChange::document);
        match fold_row(projection, key, document, &[event]) {
            Ok(change) => last = Some(change),
            Err(error) => {
                let parked = Parked {
                    key: key.to_owned(),
                    position: event.position,
                    error,
                };
                return (last, Some(parked));
            }
        }
    }
    (last, None)
}

/// Folds events into one row.
pub(super) fn fold_row(
    projection: &dyn AnyProjection,
    key: &str,
    document: Option<&str>,
    events: &[&Recorded],
) -> Result<RowChange, String> {
    let folded = caught(|| projection.fold(key, document, events))?;
    let folded = folded.map_err(|error| error.to_string())?;
    Ok(change_to(key, false, folded))
}

fn change_to(key: &str, is_new: bool, folded: Folded) -> RowChange {
    RowChange {
        key: key.to_owned(),
        is_new,
        row: match folded {
            Folded::Keep { document, row } => Some((document, row)),
            Folded::Remove => None,
        },
    }
}
