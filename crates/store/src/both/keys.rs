//! The wrapped data keys, the master key that wraps them, and the subjects they belong to.

use aggregates::{Position, SubjectId};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use super::columns::{KEYS, key, optional_position, position, subject};
use super::values::{DbRow, LISTED, list, stamp};
use super::{SqlStore, data_keys, leases, tables};
use crate::clock::now;
use crate::keys::ERASURES_WITHOUT_EFFECT;
use crate::log::to_i64;
use crate::{Fence, KeyStore, Mark, Rewrapped, StoreError, SubjectState};
use sealing::reserved::RESERVED;
use sealing::{MasterKeyId, WRAPPED_KEY, WrappedKey};

#[async_trait]
impl KeyStore for SqlStore {
    async fn master_key(&self) -> Result<Option<MasterKeyId>, StoreError> {
        let query = sqlx::query_scalar("SELECT id FROM master_key");
        self.soon(query.fetch_optional(self.reading()))
            .await?
            .map(id)
            .transpose()
    }

    async fn first_master_key(&self, first: MasterKeyId) -> Result<MasterKeyId, StoreError> {
        let sql =
            "INSERT INTO master_key (only_row, id, since) VALUES (true, $1, $2) ON CONFLICT (only_row) DO NOTHING";
        let query = sqlx::query(sql).bind(first.as_bytes()).bind(stamp(now()));
        self.soon(query.execute(self.writing())).await?;
        let query = sqlx::query_scalar("SELECT id FROM master_key");
        id(self.soon(query.fetch_one(self.writing())).await?)
    }

    async fn set_master_key(&self, from: MasterKeyId, to: MasterKeyId) -> Result<bool, StoreError> {
        let query = sqlx::query("UPDATE master_key SET id = $2, since = $3 WHERE id = $1")
            .bind(from.as_bytes())
            .bind(to.as_bytes())
            .bind(stamp(now()));
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            // an append that has read the old one holds the head until it commits
            tables::hold_head(&mut tx).await?;
            let done = query.execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn keys_not_under(
        &self,
        id: MasterKeyId,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<WrappedKey>, StoreError> {
        let sql = format!(
            "{KEYS} WHERE substr(wrapped, 1, 8) <> $1 AND data_keys.subject > $2 ORDER BY data_keys.subject LIMIT $3"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(id.as_bytes())
            .bind(after.map_or("", SubjectId::as_str))
            .bind(i64::from(limit));
        let rows = self.in_time(query.fetch_all(self.scanning())).await?;
        rows.iter().map(key).collect()
    }

    async fn rewrap(&self, keys: &[Rewrapped], under: Option<Fence>) -> Result<u64, StoreError> {
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            let replaced = data_keys::rewrap(&mut tx, keys).await?;
            leases::check(&mut tx, under).await?;
            tx.commit().await?;
            Ok(replaced)
        })
        .await
    }

    async fn key_counts(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError> {
        let sql = "SELECT substr(wrapped, 1, 8) AS id, count(*) AS keys FROM data_keys GROUP BY 1 ORDER BY 2 DESC, 1";
        let rows = self.in_time(sqlx::query(sql).fetch_all(self.scanning())).await?;
        let count = |row| Ok((id(Row::try_get(row, "id")?)?, position(row, "keys")?.0));
        rows.iter().map(count).collect()
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        data_keys::scrub(self).await
    }

    async fn without_key(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectId>, StoreError> {
        let sql = format!(
            "SELECT value FROM ({LISTED}) AS asked WHERE NOT EXISTS (SELECT 1 FROM data_keys WHERE data_keys.subject = value)"
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(list(subjects.iter().map(SubjectId::as_str)));
        names(self.soon(query.fetch_all(self.reading())).await?)
    }

    async fn misshapen_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        let sql = "SELECT subject FROM data_keys WHERE length(wrapped) <> $1 ORDER BY subject LIMIT $2";
        let query = sqlx::query_scalar(sql).bind(WRAPPED_KEY as i64).bind(i64::from(limit));
        names(self.in_time(query.fetch_all(self.scanning())).await?)
    }

    async fn data_keys(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        let sql = format!("{KEYS} WHERE data_keys.subject > $1 ORDER BY data_keys.subject LIMIT $2");
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.map_or("", SubjectId::as_str))
            .bind(i64::from(limit));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        rows.iter().map(key).collect()
    }

    async fn unnamed_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        // no anti-join: expecting to find a few early, PostgreSQL would read the log once for each key
        let sql = format!(
            "SELECT subject FROM data_keys WHERE {} EXCEPT SELECT subject FROM events ORDER BY 1 LIMIT $1",
            of_somebody()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(i64::from(limit));
        names(self.in_time(query.fetch_all(self.scanning())).await?)
    }

    async fn subjects(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectState>, StoreError> {
        let sql = format!(
            "SELECT asked.value AS subject, held_at, erased_at, wrapped IS NOT NULL AS has_key FROM ({LISTED}) AS asked
             LEFT JOIN data_keys ON data_keys.subject = asked.value LEFT JOIN subjects ON subjects.subject = asked.value
             WHERE wrapped IS NOT NULL OR held_at IS NOT NULL OR erased_at IS NOT NULL ORDER BY place"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(list(subjects.iter().map(SubjectId::as_str)));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        rows.iter().map(state).collect()
    }

    async fn all_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectState>, StoreError> {
        let sql = format!(
            "SELECT subject FROM (
                 SELECT * FROM (
                     SELECT subject FROM data_keys WHERE subject > $1 AND {} ORDER BY subject LIMIT $2
                 ) AS with_key
                 UNION SELECT * FROM (SELECT subject FROM subjects WHERE subject > $1 ORDER BY subject LIMIT $2) AS marked
             ) AS page ORDER BY subject LIMIT $2",
            of_somebody()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(after.map_or("", SubjectId::as_str))
            .bind(i64::from(limit));
        let subjects = names(self.soon(query.fetch_all(self.reading())).await?)?;
        self.subjects(&subjects).await
    }

    async fn stream_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        // byte-wise, every name that begins with a single ~
        let sql = format!(
            "SELECT subject FROM data_keys WHERE subject > $1 AND subject < '~~' AND {} ORDER BY subject LIMIT $2",
            of_somebody()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(after.map_or("~", SubjectId::as_str))
            .bind(i64::from(limit));
        names(self.soon(query.fetch_all(self.reading())).await?)
    }

    async fn is_in_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(mark.in_effect()).bind(subject.as_str());
        self.soon(query.bind(to_i64(position)).fetch_one(self.writing())).await
    }

    async fn put_into_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<(), StoreError> {
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            for sql in mark.statements() {
                let query = sqlx::query(*sql).bind(subject.as_str());
                query.bind(to_i64(position)).execute(&mut *tx).await?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn erasures_without_effect(&self) -> Result<Vec<(SubjectId, Position)>, StoreError> {
        let query = sqlx::query(ERASURES_WITHOUT_EFFECT).bind(stamp(now()));
        let rows = self.in_time(query.fetch_all(self.scanning())).await?;
        let erasure = |row| Ok((subject(row)?, position(row, "position")?));
        rows.iter().map(erasure).collect()
    }

    async fn marked_subjects(&self) -> Result<(Position, Vec<SubjectState>), StoreError> {
        let sql = "SELECT coalesce(head.position, 0) AS head, subjects.subject AS subject, held_at, erased_at,
                    wrapped IS NOT NULL AS has_key
             FROM (SELECT 1) AS one LEFT JOIN head ON true LEFT JOIN subjects ON true
             LEFT JOIN data_keys ON data_keys.subject = subjects.subject ORDER BY 2";
        let rows = self.in_time(sqlx::query(sql).fetch_all(self.scanning())).await?;
        let head = rows.first().map(|row| position(row, "head")).transpose()?;
        let mut marked = Vec::new();
        for row in &rows {
            if row.try_get::<Option<String>, _>("subject")?.is_some() {
                marked.push(state(row)?);
            }
        }
        Ok((head.unwrap_or_default(), marked))
    }

    async fn erased_subjects(&self) -> Result<Vec<SubjectState>, StoreError> {
        let sql = "SELECT subjects.subject AS subject, held_at, erased_at, wrapped IS NOT NULL AS has_key
             FROM subjects LEFT JOIN data_keys ON data_keys.subject = subjects.subject
             WHERE erased_at IS NOT NULL ORDER BY 1";
        let rows = self.in_time(sqlx::query(sql).fetch_all(self.scanning())).await?;
        rows.iter().map(state).collect()
    }

    async fn reserved_key(&self, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sql = "INSERT INTO data_keys (subject, wrapped, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let query = sqlx::query(sql).bind(subject.as_str()).bind(offer).bind(stamp(now()));
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            // a rotation of the master key takes it too: what comes in under the old one is seen by it, or refused
            tables::hold_head(&mut tx).await?;
            query.execute(&mut *tx).await?;
            Ok(tx.commit().await?)
        })
        .await?;
        let query = sqlx::query_scalar("SELECT wrapped FROM data_keys WHERE subject = $1").bind(subject.as_str());
        self.soon(query.fetch_one(self.writing())).await
    }
}

/// The condition that a data key is not one of the ledger's own.
fn of_somebody() -> String {
    format!("subject NOT IN ('{}')", RESERVED.join("', '"))
}

fn id(bytes: Vec<u8>) -> Result<MasterKeyId, StoreError> {
    let id = MasterKeyId::of_wrapped(&bytes);
    id.ok_or_else(|| StoreError::Corrupt("a master key's id does not have 8 bytes".to_owned()))
}

fn names(found: Vec<String>) -> Result<Vec<SubjectId>, StoreError> {
    Ok(found.into_iter().map(SubjectId::try_from).collect::<Result<_, _>>()?)
}

fn state(row: &DbRow) -> Result<SubjectState, StoreError> {
    Ok(SubjectState {
        subject: subject(row)?,
        held_at: optional_position(row, "held_at")?,
        erased_at: optional_position(row, "erased_at")?,
        has_key: row.try_get("has_key")?,
    })
}
