//! The wrapped data keys, the master key that wraps them, and the subjects they belong to, on SQLite.

use std::time::Duration;

use aggregates::{Position, SubjectId};
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::SqliteStore;
use super::lease;
use super::values::{position, to_i64};
use crate::clock::{now, rfc3339_micros};
use crate::keys::ERASURES_WITHOUT_EFFECT;
use crate::{Fence, KeyStore, Mark, Rewrapped, StoreError, SubjectState};
use sealing::{FingerprintKey, MasterKeyId, WRAPPED_KEY, WrappedKey};

/// Data keys with their subject's last erasure.
const KEYS: &str =
    "SELECT subject, wrapped, coalesce(erased_at, 0) AS since FROM data_keys LEFT JOIN subjects USING (subject)";
/// How often the write-ahead log is tried to be emptied while somebody reads from it.
const SCRUBS: usize = 20;
/// How long each waits for them; it holds up whoever wants to write meanwhile.
const SCRUB_WAIT: Duration = Duration::from_millis(100);
/// Pause between two of these.
const SCRUB_PAUSE: Duration = Duration::from_millis(100);

/// Wrapped data keys of these subjects.
pub(super) async fn wrapped(pool: &SqlitePool, subjects: &[SubjectId]) -> Result<Vec<WrappedKey>, StoreError> {
    let sql = format!("{KEYS} WHERE data_keys.subject = ?");
    let mut found = Vec::new();
    for subject in subjects {
        let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(subject.as_str());
        if let Some(row) = query.fetch_optional(pool).await? {
            found.push(key(&row)?);
        }
    }
    Ok(found)
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn master_key(&self) -> Result<Option<MasterKeyId>, StoreError> {
        let query = sqlx::query_scalar::<_, Vec<u8>>("SELECT id FROM master_key");
        query.fetch_optional(&self.pool).await?.map(id).transpose()
    }

    async fn first_master_key(&self, first: MasterKeyId) -> Result<MasterKeyId, StoreError> {
        sqlx::query("INSERT INTO master_key (only_row, id, since) VALUES (1, ?, ?) ON CONFLICT (only_row) DO NOTHING")
            .bind(first.as_bytes())
            .bind(rfc3339_micros(now()))
            .execute(&self.writer)
            .await?;
        let query = sqlx::query_scalar::<_, Vec<u8>>("SELECT id FROM master_key");
        id(query.fetch_one(&self.writer).await?)
    }

    async fn set_master_key(&self, from: MasterKeyId, to: MasterKeyId) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE master_key SET id = ?, since = ? WHERE id = ?")
            .bind(to.as_bytes())
            .bind(rfc3339_micros(now()))
            .bind(from.as_bytes())
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn keys_not_under(
        &self,
        id: MasterKeyId,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<WrappedKey>, StoreError> {
        let sql = format!("{KEYS} WHERE substr(wrapped, 1, 8) <> ? AND data_keys.subject > ? ORDER BY 1 LIMIT ?");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(id.as_bytes())
            .bind(after.map_or("", SubjectId::as_str))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(key).collect()
    }

    async fn rewrap(&self, keys: &[Rewrapped], under: Option<Fence>) -> Result<u64, StoreError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        lease::check(&mut tx, under).await?;
        let mut replaced = 0;
        for key in keys {
            let done = sqlx::query("UPDATE data_keys SET wrapped = ? WHERE subject = ? AND wrapped = ?")
                .bind(key.to.as_slice())
                .bind(key.subject.as_str())
                .bind(key.from.as_slice())
                .execute(&mut *tx)
                .await?;
            replaced += done.rows_affected();
        }
        tx.commit().await?;
        Ok(replaced)
    }

    async fn key_counts(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError> {
        let sql = "SELECT substr(wrapped, 1, 8) AS id, count(*) AS keys FROM data_keys GROUP BY 1 ORDER BY 2 DESC, 1";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| Ok((id(row.try_get("id")?)?, position(row, "keys")?.0)))
            .collect()
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        // deleted bytes in the database file are overwritten with zeros as they are deleted: `secure_delete`
        let options = self.pool.connect_options().as_ref().clone().busy_timeout(SCRUB_WAIT);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        for _ in 0..SCRUBS {
            let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(&mut connection)
                .await?;
            if row.try_get::<i64, _>(0)? == 0 {
                connection.close().await?;
                return Ok(());
            }
            tokio::time::sleep(SCRUB_PAUSE).await;
        }
        let busy = "the write-ahead log is being read all the time, and cannot be emptied";
        Err(StoreError::Unavailable(busy.to_owned()))
    }

    async fn without_key(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectId>, StoreError> {
        let names: Vec<&str> = subjects.iter().map(SubjectId::as_str).collect();
        let sql =
            "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM data_keys WHERE data_keys.subject = value)";
        let query = sqlx::query_scalar::<_, String>(sql).bind(serde_json::Value::from(names).to_string());
        let found = query.fetch_all(&self.pool).await?;
        Ok(found.into_iter().map(SubjectId::try_from).collect::<Result<_, _>>()?)
    }

    async fn misshapen_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        let sql = "SELECT subject FROM data_keys WHERE length(wrapped) <> ? ORDER BY subject LIMIT ?";
        let query = sqlx::query_scalar::<_, String>(sql)
            .bind(WRAPPED_KEY as i64)
            .bind(i64::from(limit));
        let found = query.fetch_all(&self.pool).await?;
        Ok(found.into_iter().map(SubjectId::try_from).collect::<Result<_, _>>()?)
    }

    async fn data_keys(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        let sql = format!("{KEYS} WHERE data_keys.subject > ? ORDER BY 1 LIMIT ?");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(after.map_or("", SubjectId::as_str))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(key).collect()
    }

    async fn unnamed_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        let sql =
            "SELECT subject FROM data_keys WHERE subject <> ? EXCEPT SELECT subject FROM events ORDER BY 1 LIMIT ?";
        let query = sqlx::query_scalar::<_, String>(sql)
            .bind(FingerprintKey::subject().as_str().to_owned())
            .bind(i64::from(limit));
        let found = query.fetch_all(&self.pool).await?;
        Ok(found.into_iter().map(SubjectId::try_from).collect::<Result<_, _>>()?)
    }

    async fn subjects(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectState>, StoreError> {
        let sql = "SELECT asked.subject AS subject, held_at, erased_at, wrapped IS NOT NULL AS has_key
             FROM (SELECT ? AS subject) AS asked
             LEFT JOIN data_keys ON data_keys.subject = asked.subject
             LEFT JOIN subjects ON subjects.subject = asked.subject
             WHERE wrapped IS NOT NULL OR held_at IS NOT NULL OR erased_at IS NOT NULL";
        let mut found = Vec::new();
        for subject in subjects {
            if let Some(row) = sqlx::query(sql)
                .bind(subject.as_str())
                .fetch_optional(&self.pool)
                .await?
            {
                found.push(state(&row)?);
            }
        }
        Ok(found)
    }

    async fn all_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectState>, StoreError> {
        let sql = "SELECT subject FROM (
                 SELECT * FROM (SELECT subject FROM data_keys WHERE subject > ?1 AND subject <> ?2 ORDER BY 1 LIMIT ?3)
                 UNION SELECT * FROM (SELECT subject FROM subjects WHERE subject > ?1 ORDER BY 1 LIMIT ?3)
             ) ORDER BY subject LIMIT ?3";
        let subjects: Vec<String> = sqlx::query_scalar(sql)
            .bind(after.map_or("", SubjectId::as_str))
            .bind(FingerprintKey::subject().as_str().to_owned())
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        let subjects: Vec<SubjectId> = subjects
            .into_iter()
            .map(SubjectId::try_from)
            .collect::<Result<_, _>>()?;
        self.subjects(&subjects).await
    }

    async fn stream_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        // byte by byte, every name that begins with ~ and goes on with less than another ~
        let sql = "SELECT subject FROM data_keys WHERE subject > ? AND subject < '~~' AND subject <> ?
             ORDER BY subject LIMIT ?";
        let subjects: Vec<String> = sqlx::query_scalar(sql)
            .bind(after.map_or("~", SubjectId::as_str))
            .bind(FingerprintKey::subject().as_str().to_owned())
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(subjects
            .into_iter()
            .map(SubjectId::try_from)
            .collect::<Result<_, _>>()?)
    }

    async fn is_in_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(mark.in_effect()).bind(subject.as_str());
        Ok(query.bind(to_i64(position)).fetch_one(&self.writer).await?)
    }

    async fn put_into_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<(), StoreError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        for sql in mark.statements() {
            let query = sqlx::query(*sql).bind(subject.as_str());
            query.bind(to_i64(position)).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn erasures_without_effect(&self) -> Result<Vec<(SubjectId, Position)>, StoreError> {
        let query = sqlx::query(ERASURES_WITHOUT_EFFECT).bind(rfc3339_micros(now()));
        let rows = query.fetch_all(&self.writer).await?;
        let erasure = |row| -> Result<_, StoreError> {
            let subject: String = sqlx::Row::try_get(row, "subject")?;
            Ok((SubjectId::try_from(subject)?, position(row, "position")?))
        };
        rows.iter().map(erasure).collect()
    }

    async fn marked_subjects(&self) -> Result<(Position, Vec<SubjectState>), StoreError> {
        let sql = "SELECT coalesce(head.position, 0) AS head, subjects.subject AS subject, held_at, erased_at,
                    wrapped IS NOT NULL AS has_key
             FROM (SELECT 1) AS one LEFT JOIN head ON true LEFT JOIN subjects ON true
             LEFT JOIN data_keys ON data_keys.subject = subjects.subject ORDER BY 2";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
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
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(state).collect()
    }
}

fn id(bytes: Vec<u8>) -> Result<MasterKeyId, StoreError> {
    let id = MasterKeyId::of_wrapped(&bytes);
    id.ok_or_else(|| StoreError::Corrupt("a master key's id does not have 8 bytes".to_owned()))
}

fn key(row: &SqliteRow) -> Result<WrappedKey, StoreError> {
    Ok(WrappedKey {
        subject: SubjectId::try_from(row.try_get::<String, _>("subject")?)?,
        wrapped: row.try_get("wrapped")?,
        since: position(row, "since")?,
    })
}

fn state(row: &SqliteRow) -> Result<SubjectState, StoreError> {
    let at = |column: &str| -> Result<Option<Position>, StoreError> {
        match row.try_get::<Option<i64>, _>(column)? {
            Some(_) => position(row, column).map(Some),
            None => Ok(None),
        }
    };
    Ok(SubjectState {
        subject: SubjectId::try_from(row.try_get::<String, _>("subject")?)?,
        held_at: at("held_at")?,
        erased_at: at("erased_at")?,
        has_key: row.try_get("has_key")?,
    })
}
