//! Inserting the hashes of e-mail addresses on SQLite.

use sqlx::AssertSqlSafe;

use super::values::{DbConnection, chunks, tuples};

/// Inserts rows: positions, hashes, subjects.
pub(super) async fn insert(tx: &mut DbConnection, rows: &[(i64, i64, &str)]) -> Result<(), sqlx::Error> {
    for chunk in chunks(rows) {
        let tuples = tuples(chunk.len(), 3);
        let sql = format!("INSERT OR FAIL INTO email_refs (position, ref, subject) VALUES {tuples}");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (position, hash, subject) in chunk {
            query = query.bind(*position).bind(*hash).bind(*subject);
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}
