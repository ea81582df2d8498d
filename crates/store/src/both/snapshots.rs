//! Copying rows as of an earlier position.

use projections::Column;
use sqlx::{AssertSqlSafe, Row};

use super::values::stamp;
use super::{SqlStore, tables};
use crate::clock::now;
use crate::generation::{stored_names, table_name};
use crate::log::to_i64;
use crate::{Generation, StoreError};

/// Rows copied in one transaction: each is short, so that it blocks others only briefly.
const COPIED_AT_ONCE: i64 = 5_000;

pub(crate) async fn copy(
    store: &SqlStore,
    from: &Generation,
    into: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let names = format!("key, document{}", stored_names(columns));
    let chunk = format!(
        "SELECT {names} FROM {} WHERE key > $1 ORDER BY key LIMIT {COPIED_AT_ONCE}",
        table_name(from)
    );
    let insert = format!("INSERT INTO {} ({names}) {chunk}", table_name(into));
    let last = format!("SELECT count(*) AS count, max(key) AS last FROM ({chunk}) AS chunk");
    let mut after = String::new();
    loop {
        let mut tx = store.begin_long().await?;
        tables::hurry(&mut tx).await?;
        let last = sqlx::query(AssertSqlSafe(last.as_str())).persistent(false).bind(&after);
        let copied = last.fetch_one(&mut *tx).await?;
        let insert = sqlx::query(AssertSqlSafe(insert.as_str()))
            .persistent(false)
            .bind(&after);
        insert.execute(&mut *tx).await?;
        let count: i64 = copied.try_get("count")?;
        let done = count < COPIED_AT_ONCE;
        let position = if done { from.position } else { into.position };
        let sql = "UPDATE projection_generations SET position = $1, updated_at = $2, row_count = row_count + $3
                   WHERE name = $4 AND generation = $5";
        sqlx::query(sql)
            .bind(to_i64(position))
            .bind(stamp(now()))
            .bind(count)
            .bind(&into.name)
            .bind(into.generation)
            .execute(&mut *tx)
            .await?;
        if done {
            let sql = "INSERT INTO parked_rows (name, generation, key, position, error, parked_at)
                SELECT name, $3, key, position, error, parked_at FROM parked_rows WHERE name = $1 AND generation = $2";
            sqlx::query(sql)
                .bind(&from.name)
                .bind(from.generation)
                .bind(into.generation)
                .execute(&mut *tx)
                .await?;
        } else {
            after = copied.try_get("last")?;
        }
        tx.commit().await?;
        if done {
            return Ok(());
        }
    }
}
