//! New nodes of the Merkle tree on SQLite.

use sqlx::AssertSqlSafe;
use tlog::TileNode;

use super::values::{DbConnection, chunks, tuples};
use crate::tree::number;

/// Inserts new nodes in the caller's transaction.
pub(super) async fn insert(tx: &mut DbConnection, nodes: &[TileNode]) -> Result<(), sqlx::Error> {
    for chunk in chunks(nodes) {
        let sql = format!(
            "INSERT OR FAIL INTO tree_nodes (level, number, hash) VALUES {}",
            tuples(chunk.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for node in chunk {
            query = query
                .bind(i64::from(node.level))
                .bind(number(node.index))
                .bind(node.hash.as_slice());
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}
