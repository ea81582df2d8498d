//! The generations of the projections' rows: each is a table with a checkpoint.

use aggregates::Position;
use jiff::Timestamp;
use projections::{Column, Value};

use super::{Fence, StoreError};

/// The life of one generation of a projection's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GenerationState {
    /// Being filled beside the live one.
    Building,
    /// Serves all readers.
    Live,
    /// Replaced; its table is dropped once it has no readers left.
    Retired,
    /// A future snapshot: being folded up to its position.
    Filling,
    /// The rows as of its position. Never changes again.
    Snapshot,
}

impl GenerationState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Retired => "retired",
            Self::Filling => "filling",
            Self::Snapshot => "snapshot",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "building" => Ok(Self::Building),
            "live" => Ok(Self::Live),
            "retired" => Ok(Self::Retired),
            "filling" => Ok(Self::Filling),
            "snapshot" => Ok(Self::Snapshot),
            other => Err(StoreError::Corrupt(format!("generation state {other:?}"))),
        }
    }
}

/// One generation of a projection.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The projection.
    pub name: String,
    /// 1, 2, 3, … for each projection.
    pub generation: i64,
    /// The projection's `VERSION` that folds it.
    pub version: u32,
    /// Its checkpoint: everything up to here is folded in.
    pub position: Position,
    /// Its state.
    pub state: GenerationState,
    /// Whether the service fills it, and resumes it after a restart; else a command does.
    pub by_service: bool,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// The table of a generation. Names come from the code, never from a user.
pub(super) fn table_name(generation: &Generation) -> String {
    format!("{}_g{}", generation.name, generation.generation)
}

/// The columns that a table has besides key and document.
pub(super) fn stored(columns: &'static [Column]) -> impl Iterator<Item = &'static Column> {
    columns.iter().filter(|column| !column.is_key)
}

/// The names of the stored columns, each behind a comma.
pub(super) fn stored_names(columns: &'static [Column]) -> String {
    stored(columns).map(|column| format!(", {}", column.name)).collect()
}

/// The query of the stable view.
pub(super) fn view_query(generation: &Generation, columns: &'static [Column]) -> String {
    let shown = columns.iter().map(|column| match column.is_key {
        true => format!("key AS {}, ", column.name),
        false => format!("{}, ", column.name),
    });
    let shown: String = shown.collect();
    format!("SELECT {shown}key, document FROM {}", table_name(generation))
}

/// The indexes of a generation's table besides the one on its key: their names, and the text after `CREATE INDEX … ON`.
pub(super) fn indexes(generation: &Generation, columns: &'static [Column]) -> impl Iterator<Item = (String, String)> {
    let table = table_name(generation);
    let indexed = stored(columns).filter(|column| column.indexed);
    indexed.map(move |Column { name, usual, .. }| {
        let rows = usual.map_or_else(String::new, |usual| format!(" WHERE {name} <> '{usual}'"));
        (format!("{table}_{name}"), format!("{table} ({name}){rows}"))
    })
}

/// A change of one row of a projection.
pub struct RowChange {
    /// The row's key.
    pub key: String,
    /// Whether the row is surely new: then it is inserted without a look for an existing one.
    pub is_new: bool,
    /// The new document and its columns, or none to remove the row.
    pub row: Option<(String, projections::Row)>,
}

impl RowChange {
    /// The new document.
    pub fn document(&self) -> Option<&str> {
        self.row.as_ref().map(|(document, _)| document.as_str())
    }
}

/// A parked row.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its key.
    pub key: String,
    /// The event that could not be folded. The row is the fold of the earlier ones.
    pub position: Position,
    /// The error.
    pub error: String,
}

/// One step of a projection: rows and checkpoint are written in one transaction.
pub struct Advance {
    /// The generation; its `position` is the checkpoint that the step starts from.
    pub from: Generation,
    /// The columns of its table.
    pub columns: &'static [Column],
    /// The new checkpoint.
    pub to: Position,
    /// The rows that change, in the order of their keys.
    pub changes: Vec<RowChange>,
    /// Rows parked by this step, since an event could not be folded into them.
    pub parked: Vec<Parked>,
    /// Rows unparked by this step.
    pub unparked: Vec<String>,
    /// Parked rows whose events were skipped. If one is no longer parked, the step is refused.
    pub skipped: Vec<String>,
}

impl Advance {
    /// The change of the row with this key, if it changes.
    pub fn change(&self, key: &str) -> Option<&RowChange> {
        let found = self.changes.binary_search_by(|change| change.key.as_str().cmp(key));
        found.ok().map(|index| &self.changes[index])
    }

    /// The written rows that are new, or those that are not, with their documents and columns.
    pub(super) fn written(&self, new: bool) -> Vec<(&RowChange, &(String, projections::Row))> {
        let changes = self.changes.iter().filter(|change| change.is_new == new);
        let rows = changes.filter_map(|change| change.row.as_ref().map(|row| (change, row)));
        rows.collect()
    }

    /// The columns' names, each behind a comma.
    pub(super) fn names(&self) -> String {
        stored_names(self.columns)
    }

    /// A row's values in the stored columns.
    pub(super) fn values<'r>(&self, row: &'r projections::Row) -> impl Iterator<Item = &'r Value> {
        let values = self.columns.iter().zip(row);
        values.filter(|(column, _)| !column.is_key).map(|(_, value)| value)
    }

    /// The `ON CONFLICT` clause that overwrites an existing row.
    pub(super) fn replacing(&self) -> String {
        let sets = stored(self.columns).map(|column| format!(", {0} = excluded.{0}", column.name));
        let sets: String = sets.collect();
        format!("ON CONFLICT (key) DO UPDATE SET document = excluded.document{sets}")
    }

    /// The size of the written documents, in bytes.
    pub fn size(&self) -> usize {
        let documents = self.changes.iter().filter_map(RowChange::document);
        documents.map(str::len).sum()
    }
}

/// A row that differs between two generations: document and columns as JSON text, none if the row is missing.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Difference {
    /// The row's key.
    pub key: String,
    /// In the live generation.
    pub live: Option<String>,
    /// In the rebuilt one.
    pub rebuilt: Option<String>,
}

/// The result of switching a generation live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is live.
    Done,
    /// Nothing was changed: it lags behind the live one, or is not building any more.
    Behind,
    /// Nothing was changed: a reader has held the stable view in one transaction for longer than the lock time-out,
    /// which is short since all other readers would wait too.
    Held,
}

topic! {
    /// The part of a [`Store`](super::Store) that stores the projections' generations.
    pub trait GenerationStore {
        /// All generations of all projections.
        async fn generations(&self) -> Result<Vec<Generation>, StoreError>;

        /// Creates a table for a new generation with its checkpoint at 0. A projection's first one is live at once and
        /// gets the stable view; a later one is building. If one is building already, returns that one.
        async fn create_generation(
            &self,
            name: &'static str,
            version: u32,
            columns: &'static [Column],
        ) -> Result<Generation, StoreError>;

        /// Creates the indexes that a generation lacks since it was filled without readers.
        async fn index_generation(&self, generation: &Generation, columns: &'static [Column]) -> Result<(), StoreError>;

        /// The documents of the rows with these keys in a generation.
        async fn documents(&self, generation: &Generation, keys: &[String]) -> Result<Vec<(String, String)>, StoreError>;

        /// Advances projections, all of them in one transaction. Returns `false` and writes nothing if a checkpoint has
        /// moved, or a skipped row is no longer parked: another process was faster. [`StoreError::Overtaken`], with
        /// nothing written, if another process has taken over the lease named by `under`.
        async fn advance(&self, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError>;

        /// Marks a building generation as filled by the service, which resumes it after a restart.
        async fn entrust_generation(&self, building: &Generation) -> Result<(), StoreError>;

        /// Makes a building generation live and retires the one before, in one transaction, unless the building one
        /// lags behind the live one or a reader holds the stable view.
        async fn switch_generation(&self, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError>;

        /// Creates a table for a snapshot, filling, with its checkpoint at 0.
        async fn create_snapshot(
            &self,
            name: &'static str,
            version: u32,
            columns: &'static [Column],
        ) -> Result<Generation, StoreError>;

        /// Copies rows and checkpoint of a snapshot into an empty filling one, some thousand rows per transaction.
        async fn copy_snapshot(
            &self,
            from: &Generation,
            into: &Generation,
            columns: &'static [Column],
        ) -> Result<(), StoreError>;

        /// Sets the state of a generation that is neither live nor building: to filling, snapshot or retired.
        async fn set_state(&self, generation: &Generation, state: GenerationState) -> Result<(), StoreError>;

        /// Drops a generation that is not live, with its table; [`StoreError::Locked`], with nothing dropped, while a
        /// reader uses the table.
        async fn drop_generation(&self, generation: &Generation) -> Result<(), StoreError>;

        /// The rows in which two generations differ, at most `limit`. None if their checkpoints differ, since then rows
        /// may well differ too.
        async fn differences(
            &self,
            live: &Generation,
            rebuilt: &Generation,
            columns: &'static [Column],
            limit: u32,
        ) -> Result<Option<Vec<Difference>>, StoreError>;

        /// How many rows a generation has. Every step stores the count, so this reads one row; a generation older than
        /// that is counted once.
        async fn row_count(&self, generation: &Generation) -> Result<u64, StoreError>;
    }
}
