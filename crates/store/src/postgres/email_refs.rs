//! Inserting the hashes of e-mail addresses on PostgreSQL.

use super::values::DbConnection;
use crate::StoreError;

/// Inserts rows: positions, hashes, subjects.
pub(super) async fn insert(tx: &mut DbConnection, rows: &[(i64, i64, &str)]) -> Result<(), StoreError> {
    let positions: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let hashes: Vec<i64> = rows.iter().map(|row| row.1).collect();
    let subjects: Vec<&str> = rows.iter().map(|row| row.2).collect();
    let sql =
        "INSERT INTO email_refs (position, ref, subject) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])";
    let query = sqlx::query(sql).bind(positions).bind(hashes).bind(subjects);
    query.execute(tx).await?;
    Ok(())
}
