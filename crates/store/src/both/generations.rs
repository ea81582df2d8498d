//! The generations of the projections' rows: their tables, and the table that lists them with their checkpoints.

use async_trait::async_trait;
use projections::Column;
use sqlx::{AssertSqlSafe, Row};

use super::columns::{position, unsigned};
use super::statements::run;
use super::values::{DbConnection, DbRow, FOR_UPDATE, moment, stamp};
use super::{SqlStore, snapshots, steps, tables};
use crate::clock::now;
use crate::generation::{stored, table_name};
use crate::log::to_i64;
use crate::{Advance, Difference, Fence, Generation, GenerationState, GenerationStore, StoreError, Switch};

#[async_trait]
impl GenerationStore for SqlStore {
    async fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        self.soon(async { all(&mut *self.reading().acquire().await?).await })
            .await
    }

    async fn create_generation(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        self.soon(create(self, name, version, columns)).await
    }

    async fn index_generation(&self, generation: &Generation, columns: &'static [Column]) -> Result<(), StoreError> {
        self.in_time(tables::index(self.scanning(), generation, columns)).await
    }

    async fn documents(&self, generation: &Generation, keys: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        self.soon(tables::documents(self.reading(), generation, keys)).await
    }

    async fn advance(&self, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError> {
        steps::advance(self, steps, under).await
    }

    async fn entrust_generation(&self, building: &Generation) -> Result<(), StoreError> {
        let sql = "UPDATE projection_generations SET by_service = true
                   WHERE name = $1 AND generation = $2 AND state = 'building'";
        let query = sqlx::query(sql).bind(&building.name).bind(building.generation);
        self.soon(query.execute(self.writing())).await?;
        Ok(())
    }

    async fn switch_generation(&self, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError> {
        self.soon(switch(self, building, columns)).await
    }

    async fn create_snapshot(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            let existing = of_projection(&mut tx, name).await?;
            let created = next(name, version, GenerationState::Filling, &existing);
            make(&mut tx, &created, columns).await?;
            tx.commit().await?;
            Ok(created)
        })
        .await
    }

    async fn copy_snapshot(
        &self,
        from: &Generation,
        into: &Generation,
        columns: &'static [Column],
    ) -> Result<(), StoreError> {
        self.in_time(snapshots::copy(self, from, into, columns)).await
    }

    async fn set_state(&self, generation: &Generation, state: GenerationState) -> Result<(), StoreError> {
        let sql = "UPDATE projection_generations SET state = $1, updated_at = $2
                   WHERE name = $3 AND generation = $4 AND state NOT IN ('live', 'building')";
        let query = sqlx::query(sql)
            .bind(state.as_str())
            .bind(stamp(now()))
            .bind(&generation.name)
            .bind(generation.generation);
        self.soon(query.execute(self.writing())).await?;
        Ok(())
    }

    async fn drop_generation(&self, generation: &Generation) -> Result<(), StoreError> {
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            drop_in(&mut tx, generation).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn differences(
        &self,
        live: &Generation,
        rebuilt: &Generation,
        columns: &'static [Column],
        limit: u32,
    ) -> Result<Option<Vec<Difference>>, StoreError> {
        self.in_time(differences(self, live, rebuilt, columns, limit)).await
    }

    async fn row_count(&self, generation: &Generation) -> Result<u64, StoreError> {
        self.in_time(row_count(self, generation)).await
    }
}

/// All generations.
pub(crate) async fn all(connection: &mut DbConnection) -> Result<Vec<Generation>, StoreError> {
    let query = sqlx::query("SELECT * FROM projection_generations ORDER BY name, generation");
    query.fetch_all(connection).await?.iter().map(generation).collect()
}

/// The generations of a projection; locks the list, so none is created or dropped before the transaction ends.
async fn of_projection(tx: &mut DbConnection, name: &str) -> Result<Vec<Generation>, StoreError> {
    tables::lock(tx, "projection_generations").await?;
    let query = sqlx::query("SELECT * FROM projection_generations WHERE name = $1 ORDER BY generation").bind(name);
    query.fetch_all(tx).await?.iter().map(generation).collect()
}

fn generation(row: &DbRow) -> Result<Generation, StoreError> {
    Ok(Generation {
        name: row.try_get("name")?,
        generation: row.try_get("generation")?,
        version: unsigned(row, "version")?,
        position: position(row, "position")?,
        state: GenerationState::parse(row.try_get("state")?)?,
        by_service: row.try_get("by_service")?,
        updated_at: moment(row, "updated_at")?,
    })
}

/// The next generation after the existing ones.
fn next(name: &str, version: u32, state: GenerationState, existing: &[Generation]) -> Generation {
    Generation {
        name: name.to_owned(),
        generation: existing.last().map_or(1, |newest| newest.generation + 1),
        version,
        position: aggregates::Position(0),
        state,
        by_service: false,
        updated_at: now(),
    }
}

async fn create(
    store: &SqlStore,
    name: &'static str,
    version: u32,
    columns: &'static [Column],
) -> Result<Generation, StoreError> {
    let mut tx = store.begin().await?;
    let existing = of_projection(&mut tx, name).await?;
    let live = existing.iter().find(|found| found.state == GenerationState::Live);
    if let Some(building) = existing.iter().find(|found| found.state == GenerationState::Building) {
        if building.version == version {
            return Ok(building.clone());
        }
        drop_in(&mut tx, building).await?;
    } else if let Some(first) =
        live.filter(|first| first.version == version && existing.len() == 1 && first.position.0 == 0)
    {
        // another process has just created the first one
        return Ok(first.clone());
    }
    let state = if live.is_some() {
        GenerationState::Building
    } else {
        GenerationState::Live
    };
    let created = next(name, version, state, &existing);
    make(&mut tx, &created, columns).await?;
    if state == GenerationState::Live {
        tables::point_view(&mut tx, &created, columns).await?;
    }
    tx.commit().await?;
    Ok(created)
}

/// Creates the table of a generation and adds it to the list.
async fn make(tx: &mut DbConnection, generation: &Generation, columns: &'static [Column]) -> Result<(), StoreError> {
    tables::make(tx, generation, columns).await?;
    let sql = "INSERT INTO projection_generations (name, generation, version, position, state, updated_at, row_count)
               VALUES ($1, $2, $3, $4, $5, $6, 0)";
    sqlx::query(sql)
        .bind(&generation.name)
        .bind(generation.generation)
        .bind(i32::try_from(generation.version).unwrap_or(i32::MAX))
        .bind(to_i64(generation.position))
        .bind(generation.state.as_str())
        .bind(stamp(generation.updated_at))
        .execute(tx)
        .await?;
    Ok(())
}

async fn switch(store: &SqlStore, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError> {
    let mut tx = store.begin().await?;
    let sql = format!("SELECT * FROM projection_generations WHERE name = $1 ORDER BY generation{FOR_UPDATE}");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(&building.name);
    let rows = rows.fetch_all(&mut *tx).await?;
    let found = rows.iter().map(generation).collect::<Result<Vec<_>, _>>()?;
    let candidate = found.iter().find(|found| found.generation == building.generation);
    let Some(candidate) = candidate.filter(|candidate| candidate.state == GenerationState::Building) else {
        return Ok(Switch::Behind);
    };
    let live = found.iter().find(|found| found.state == GenerationState::Live);
    if live.is_some_and(|live| candidate.position < live.position) {
        return Ok(Switch::Behind);
    }
    for (state, target) in [
        (GenerationState::Retired, live),
        (GenerationState::Live, Some(candidate)),
    ] {
        if let Some(target) = target {
            let sql =
                "UPDATE projection_generations SET state = $1, updated_at = $2 WHERE name = $3 AND generation = $4";
            sqlx::query(sql)
                .bind(state.as_str())
                .bind(stamp(now()))
                .bind(&target.name)
                .bind(target.generation)
                .execute(&mut *tx)
                .await?;
        }
    }
    tables::wait_briefly(&mut tx).await?;
    match tables::point_view(&mut tx, candidate, columns).await {
        Ok(()) => tx.commit().await?,
        Err(StoreError::Locked(_)) => return Ok(Switch::Held),
        Err(error) => return Err(error),
    }
    Ok(Switch::Done)
}

async fn drop_in(tx: &mut DbConnection, generation: &Generation) -> Result<(), StoreError> {
    let sql = "DELETE FROM projection_generations WHERE name = $1 AND generation = $2 AND state <> 'live'";
    let query = sqlx::query(sql).bind(&generation.name).bind(generation.generation);
    if query.execute(&mut *tx).await?.rows_affected() == 1 {
        tables::wait_briefly(tx).await?;
        run(tx, format!("DROP TABLE {}", table_name(generation))).await?;
    }
    Ok(())
}

async fn differences(
    store: &SqlStore,
    live: &Generation,
    rebuilt: &Generation,
    columns: &'static [Column],
    limit: u32,
) -> Result<Option<Vec<Difference>>, StoreError> {
    let mut tx = store.begin_to_read().await?;
    // before any read: a table dropped and created anew in between would be read as empty
    for generation in [live, rebuilt] {
        tables::hold(&mut tx, &table_name(generation)).await?;
    }
    let sql = "SELECT count(DISTINCT position) FROM projection_generations WHERE name = $1 AND generation IN ($2, $3)";
    let query = sqlx::query_scalar::<_, i64>(sql).bind(&live.name);
    let query = query.bind(live.generation).bind(rebuilt.generation);
    if query.fetch_one(&mut *tx).await? != 1 {
        return Ok(None);
    }
    let row = |side: &str| {
        let columns: String = stored(columns)
            .map(|column| format!(", {side}.{}", column.name))
            .collect();
        let array = tables::json_array(&format!("{side}.document{columns}"));
        format!("CASE WHEN {side}.key IS NOT NULL THEN {array} END")
    };
    let sql = format!(
        "SELECT * FROM (
             SELECT coalesce(a.key, b.key) AS key, {} AS live, {} AS rebuilt FROM {} a FULL JOIN {} b ON a.key = b.key
         ) AS rows WHERE live IS DISTINCT FROM rebuilt ORDER BY key LIMIT $1",
        row("a"),
        row("b"),
        table_name(live),
        table_name(rebuilt),
    );
    let query = sqlx::query_as::<_, (String, Option<String>, Option<String>)>(AssertSqlSafe(sql));
    let rows = query
        .persistent(false)
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await?;
    let difference = |(key, live, rebuilt)| Difference { key, live, rebuilt };
    Ok(Some(rows.into_iter().map(difference).collect()))
}

/// The stored row count; if there is none, counts the rows while no step can change them, and stores the count.
async fn row_count(store: &SqlStore, generation: &Generation) -> Result<u64, StoreError> {
    const WRITTEN: &str = "SELECT row_count FROM projection_generations WHERE name = $1 AND generation = $2";
    let written = |lock: &str| {
        let query = sqlx::query_scalar::<_, Option<i64>>(AssertSqlSafe(format!("{WRITTEN}{lock}")));
        query.bind(&generation.name).bind(generation.generation)
    };
    if let Some(count) = written("").fetch_optional(store.scanning()).await?.flatten() {
        return Ok(count.unsigned_abs());
    }
    let mut tx = store.begin_long().await?;
    if let Some(count) = written(FOR_UPDATE).fetch_optional(&mut *tx).await?.flatten() {
        return Ok(count.unsigned_abs());
    }
    let count = format!("SELECT count(*) FROM {}", table_name(generation));
    let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(count)).persistent(false);
    let count = count.fetch_one(&mut *tx).await?;
    sqlx::query("UPDATE projection_generations SET row_count = $1 WHERE name = $2 AND generation = $3")
        .bind(count)
        .bind(&generation.name)
        .bind(generation.generation)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(count.unsigned_abs())
}
