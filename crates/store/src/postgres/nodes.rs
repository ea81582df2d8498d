//! New nodes of the Merkle tree on PostgreSQL.

use tlog::TileNode;

use super::values::DbConnection;
use crate::StoreError;
use crate::tree::number;

/// New nodes as parallel arrays.
pub(super) fn arrays(nodes: &[TileNode]) -> (Vec<i16>, Vec<i64>, Vec<&[u8]>) {
    (
        nodes.iter().map(|node| i16::from(node.level)).collect(),
        nodes.iter().map(|node| number(node.index)).collect(),
        nodes.iter().map(|node| node.hash.as_slice()).collect(),
    )
}

/// Inserts them in the caller's transaction.
pub(super) async fn insert(tx: &mut DbConnection, nodes: &[TileNode]) -> Result<(), StoreError> {
    let (levels, numbers, hashes) = arrays(nodes);
    let sql = "INSERT INTO tree_nodes (level, number, hash)
               SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])";
    let query = sqlx::query(sql).bind(levels).bind(numbers).bind(hashes);
    query.execute(tx).await?;
    Ok(())
}
