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
    /// Read by everybody.
    Live,
    /// Replaced; its table is dropped once no reader can be in it.
    Retired,
    /// To become a snapshot: folded up to the position that it is wanted for.
    Filling,
    /// The rows as of its position. Never changes any more.
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
    /// The projection's `VERSION` that fills it.
    pub version: u32,
    /// Its checkpoint: everything up to here is folded in.
    pub position: Position,
    /// What it is used for.
    pub state: GenerationState,
    /// Whether the service itself fills it, and goes on with it after a restart; else a command does.
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

/// What the stable view selects.
pub(super) fn view_query(generation: &Generation, columns: &'static [Column]) -> String {
    let shown = columns.iter().map(|column| match column.is_key {
        true => format!("key AS {}, ", column.name),
        false => format!("{}, ", column.name),
    });
    let shown: String = shown.collect();
    format!("SELECT {shown}key, document FROM {}", table_name(generation))
}

/// The indexes of a generation's table, besides that of its key: their names, and what is behind `CREATE INDEX … ON`.
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
    /// Whether there is no such row yet. Only where that is certain: it is written without looking for one.
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

/// A row that stands still.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its key.
    pub key: String,
    /// The event that could not be folded. The row is the fold of those before it.
    pub position: Position,
    /// What was wrong.
    pub error: String,
}

/// One step of a projection: rows and checkpoint move together.
pub struct Advance {
    /// The generation; its `position` is the checkpoint that the step was made from.
    pub from: Generation,
    /// The columns of its table.
    pub columns: &'static [Column],
    /// The new checkpoint.
    pub to: Position,
    /// The rows that change, in the order of their keys.
    pub changes: Vec<RowChange>,
    /// Rows that stand still from now on, since an event could not be folded into them.
    pub parked: Vec<Parked>,
    /// Rows that no longer do.
    pub unparked: Vec<String>,
    /// Rows whose events were passed over, since they stand still. If one no longer does, the step is refused.
    pub skipped: Vec<String>,
}

impl Advance {
    /// What becomes of the row with this key, if it changes.
    pub fn change(&self, key: &str) -> Option<&RowChange> {
        let found = self.changes.binary_search_by(|change| change.key.as_str().cmp(key));
        found.ok().map(|index| &self.changes[index])
    }

    /// The rows that are written, and are new or not, with their documents and columns.
    pub(super) fn written(&self, new: bool) -> Vec<(&RowChange, &(String, projections::Row))> {
        let changes = self.changes.iter().filter(|change| change.is_new == new);
        let rows = changes.filter_map(|change| change.row.as_ref().map(|row| (change, row)));
        rows.collect()
    }

    /// The columns' names, each behind a comma.
    pub(super) fn names(&self) -> String {
        stored_names(self.columns)
    }

    /// What a row has in the stored columns.
    pub(super) fn values<'r>(&self, row: &'r projections::Row) -> impl Iterator<Item = &'r Value> {
        let values = self.columns.iter().zip(row);
        values.filter(|(column, _)| !column.is_key).map(|(_, value)| value)
    }

    /// What takes the place of a row that is there, behind `ON CONFLICT`.
    pub(super) fn replacing(&self) -> String {
        let sets = stored(self.columns).map(|column| format!(", {0} = excluded.{0}", column.name));
        let sets: String = sets.collect();
        format!("ON CONFLICT (key) DO UPDATE SET document = excluded.document{sets}")
    }

    /// How much is written, in bytes of documents.
    pub fn size(&self) -> usize {
        let documents = self.changes.iter().filter_map(RowChange::document);
        documents.map(str::len).sum()
    }
}

/// A row that is not the same in two generations: document and columns as JSON text, none where the row is missing.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Difference {
    /// The row's key.
    pub key: String,
    /// As it is read today.
    pub live: Option<String>,
    /// As the rebuild made it.
    pub rebuilt: Option<String>,
}

/// What became of making a generation live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is live.
    Done,
    /// Nothing was changed: it is behind the live one, or not building any more.
    Behind,
    /// Nothing was changed: somebody has been reading the stable view in one transaction for longer than may be waited
    /// for, since all others would wait too.
    Held,
}

topic! {
    /// The part of a [`Store`](super::Store) that keeps the projections' generations.
    pub trait GenerationStore {
        /// All generations of all projections.
        async fn generations(&self) -> Result<Vec<Generation>, StoreError>;

        /// Makes a table for a new generation with its checkpoint at 0. A projection's first one is live at once and gets
        /// the stable view; a later one is building. If one is building already, that one is returned.
        async fn create_generation(
            &self,
            name: &'static str,
            version: u32,
            columns: &'static [Column],
        ) -> Result<Generation, StoreError>;

        /// Makes what indexes a generation still lacks that was filled without readers, and is to have some.
        async fn index_generation(&self, generation: &Generation, columns: &'static [Column]) -> Result<(), StoreError>;

        /// The documents of the rows with these keys in a generation.
        async fn documents(&self, generation: &Generation, keys: &[String]) -> Result<Vec<(String, String)>, StoreError>;

        /// Moves projections on, all of them in one transaction. `false`, and nothing written, if a checkpoint is not
        /// where it was, or a row that was passed over does not stand still any more: another process was faster.
        /// [`StoreError::Overtaken`], and nothing written, if somebody else has taken over the lease that it is done `under`.
        async fn advance(&self, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError>;

        /// Writes down that a building generation is filled by the service itself, which goes on with it after a restart.
        async fn entrust_generation(&self, building: &Generation) -> Result<(), StoreError>;

        /// Makes a building generation live and retires the one before, in one transaction, provided that the building one
        /// is not behind the live one and that no reader holds the stable view.
        async fn switch_generation(&self, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError>;

        /// Makes a table for a snapshot, filling, with its checkpoint at 0.
        async fn create_snapshot(
            &self,
            name: &'static str,
            version: u32,
            columns: &'static [Column],
        ) -> Result<Generation, StoreError>;

        /// Copies rows and checkpoint of a snapshot into an empty filling one, some thousand rows a transaction.
        async fn copy_snapshot(
            &self,
            from: &Generation,
            into: &Generation,
            columns: &'static [Column],
        ) -> Result<(), StoreError>;

        /// Gives a generation that is neither live nor building another state: of a snapshot's life, or retired.
        async fn set_state(&self, generation: &Generation, state: GenerationState) -> Result<(), StoreError>;

        /// Drops a generation that is not live, with its table; [`StoreError::Locked`], and nothing dropped, while somebody
        /// is reading that.
        async fn drop_generation(&self, generation: &Generation) -> Result<(), StoreError>;

        /// The rows in which two generations differ, at most `limit`. None if their checkpoints are not the same, since
        /// then they may well differ.
        async fn differences(
            &self,
            live: &Generation,
            rebuilt: &Generation,
            columns: &'static [Column],
            limit: u32,
        ) -> Result<Option<Vec<Difference>>, StoreError>;

        /// How many rows a generation has. Written down by every step, so this reads one row; a generation from before
        /// that is counted once.
        async fn row_count(&self, generation: &Generation) -> Result<u64, StoreError>;
    }
}
