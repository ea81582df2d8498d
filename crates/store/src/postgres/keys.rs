//! The wrapped data keys, the master key that wraps them, and the subjects they belong to, on PostgreSQL.

use aggregates::{Position, SubjectId};
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

use super::PostgresStore;
use super::lease;
use super::session::SOON;
use super::values::{position, to_i64};
use crate::clock::now;
use crate::keys::ERASURES_WITHOUT_EFFECT;
use crate::{Fence, KeyStore, Mark, Rewrapped, StoreError, SubjectState};
use sealing::{FingerprintKey, MasterKeyId, WRAPPED_KEY, WrappedKey};

/// Data keys with their subject's last erasure.
const KEYS: &str =
    "SELECT subject, wrapped, coalesce(erased_at, 0) AS since FROM data_keys LEFT JOIN subjects USING (subject)";
/// Wrapped data keys of these subjects.
pub(super) async fn wrapped(pool: &PgPool, subjects: &[SubjectId]) -> Result<Vec<WrappedKey>, StoreError> {
    let subjects: Vec<&str> = subjects.iter().map(SubjectId::as_str).collect();
    let sql = format!("{KEYS} WHERE subject = ANY ($1)");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(subjects)
        .fetch_all(pool)
        .await?;
    rows.iter().map(key).collect()
}

#[async_trait]
impl KeyStore for PostgresStore {
    async fn master_key(&self) -> Result<Option<MasterKeyId>, StoreError> {
        self.soon(async {
            let query = sqlx::query_scalar::<_, Vec<u8>>("SELECT id FROM master_key");
            query.fetch_optional(&self.pool).await?.map(id).transpose()
        })
        .await
    }

    async fn first_master_key(&self, first: MasterKeyId) -> Result<MasterKeyId, StoreError> {
        self.soon(async {
            sqlx::query("INSERT INTO master_key (id, since) VALUES ($1, now()) ON CONFLICT (only_row) DO NOTHING")
                .bind(first.as_bytes())
                .execute(&self.pool)
                .await?;
            let query = sqlx::query_scalar::<_, Vec<u8>>("SELECT id FROM master_key");
            id(query.fetch_one(&self.pool).await?)
        })
        .await
    }

    async fn set_master_key(&self, from: MasterKeyId, to: MasterKeyId) -> Result<bool, StoreError> {
        self.soon(async {
            let mut tx = self.pool.begin().await?;
            // an append that has looked at the old one holds this lock until it is committed
            sqlx::query("SELECT FROM head FOR UPDATE").execute(&mut *tx).await?;
            let done = sqlx::query("UPDATE master_key SET id = $2, since = now() WHERE id = $1")
                .bind(from.as_bytes())
                .bind(to.as_bytes())
                .execute(&mut *tx)
                .await?;
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
        self.in_time(async {
            let sql = format!("{KEYS} WHERE substr(wrapped, 1, 8) <> $1 AND subject > $2 ORDER BY subject LIMIT $3");
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(id.as_bytes())
                .bind(after.map_or("", SubjectId::as_str))
                .bind(i64::from(limit))
                .fetch_all(&self.long)
                .await?;
            rows.iter().map(key).collect()
        })
        .await
    }

    async fn rewrap(&self, keys: &[Rewrapped], under: Option<Fence>) -> Result<u64, StoreError> {
        self.soon(async {
            let subjects: Vec<&str> = keys.iter().map(|key| key.subject.as_str()).collect();
            let from: Vec<&[u8]> = keys.iter().map(|key| key.from.as_slice()).collect();
            let to: Vec<&[u8]> = keys.iter().map(|key| key.to.as_slice()).collect();
            let mut tx = self.pool.begin().await?;
            let done = sqlx::query(
                "UPDATE data_keys SET wrapped = new.to_wrapped
             FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS new (subject, from_wrapped, to_wrapped)
             WHERE data_keys.subject = new.subject AND data_keys.wrapped = new.from_wrapped",
            )
            .bind(subjects)
            .bind(from)
            .bind(to)
            .execute(&mut *tx)
            .await?;
            lease::check(&mut tx, under).await?;
            tx.commit().await?;
            Ok(done.rows_affected())
        })
        .await
    }

    async fn key_counts(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError> {
        self.in_time(async {
            let sql =
                "SELECT substr(wrapped, 1, 8) AS id, count(*) AS keys FROM data_keys GROUP BY 1 ORDER BY 2 DESC, 1";
            let rows = sqlx::query(sql).fetch_all(&self.long).await?;
            rows.iter()
                .map(|row| Ok((id(row.try_get("id")?)?, position(row, "keys")?.0)))
                .collect()
        })
        .await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn without_key(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectId>, StoreError> {
        self.soon(async {
            let names: Vec<&str> = subjects.iter().map(SubjectId::as_str).collect();
            let sql = "SELECT asked.subject FROM unnest($1::text[]) AS asked (subject)
             WHERE NOT EXISTS (SELECT FROM data_keys WHERE data_keys.subject = asked.subject)";
            let query = sqlx::query_scalar::<_, String>(sql).bind(names);
            let found = query.fetch_all(&self.pool).await?;
            Ok(found.into_iter().map(SubjectId::try_from).collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn misshapen_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        self.in_time(async {
            let sql = "SELECT subject FROM data_keys WHERE length(wrapped) <> $1 ORDER BY subject LIMIT $2";
            let query = sqlx::query_scalar::<_, String>(sql)
                .bind(WRAPPED_KEY as i64)
                .bind(i64::from(limit));
            let found = query.fetch_all(&self.long).await?;
            Ok(found.into_iter().map(SubjectId::try_from).collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn data_keys(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        self.soon(async {
            let sql = format!("{KEYS} WHERE subject > $1 ORDER BY subject LIMIT $2");
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(after.map_or("", SubjectId::as_str))
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(key).collect()
        })
        .await
    }

    async fn unnamed_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        self.in_time(async {
        // no anti-join: where it counts on finding a few soon, PostgreSQL would read the log once for each key
        let sql =
            "SELECT subject FROM data_keys WHERE subject <> $1 EXCEPT SELECT subject FROM events ORDER BY 1 LIMIT $2";
        let query = sqlx::query_scalar::<_, String>(sql)
            .bind(FingerprintKey::subject().as_str().to_owned())
            .bind(i64::from(limit));
        let found = query.fetch_all(&self.long).await?;
        Ok(found.into_iter().map(SubjectId::try_from).collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn subjects(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectState>, StoreError> {
        self.soon(async {
            let names: Vec<&str> = subjects.iter().map(SubjectId::as_str).collect();
            let sql = "SELECT subject, held_at, erased_at, wrapped IS NOT NULL AS has_key
             FROM unnest($1::text[]) WITH ORDINALITY AS asked (subject, place)
             LEFT JOIN data_keys USING (subject) LEFT JOIN subjects USING (subject)
             WHERE wrapped IS NOT NULL OR held_at IS NOT NULL OR erased_at IS NOT NULL
             ORDER BY place";
            let rows = sqlx::query(sql).bind(names).fetch_all(&self.pool).await?;
            rows.iter().map(state).collect()
        })
        .await
    }

    async fn all_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectState>, StoreError> {
        self.soon(async {
            let sql = "SELECT subject FROM (
                 (SELECT subject FROM data_keys WHERE subject > $1 AND subject <> $2 ORDER BY subject LIMIT $3)
                 UNION (SELECT subject FROM subjects WHERE subject > $1 ORDER BY subject LIMIT $3)
             ) AS page ORDER BY subject LIMIT $3";
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
        })
        .await
    }

    async fn stream_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        self.soon(async {
            // byte by byte, every name that begins with ~ and goes on with less than another ~
            let sql = "SELECT subject FROM data_keys WHERE subject > $1 AND subject < '~~' AND subject <> $2
             ORDER BY subject LIMIT $3";
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
        })
        .await
    }

    async fn is_in_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(mark.in_effect()).bind(subject.as_str());
        let query = query.bind(to_i64(position));
        self.sessions.within(SOON, query.fetch_one(&self.pool)).await
    }

    async fn put_into_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<(), StoreError> {
        self.soon(async {
            let mut tx = self.pool.begin().await?;
            for sql in mark.statements() {
                let query = sqlx::query(*sql).bind(subject.as_str());
                query.bind(to_i64(position)).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    async fn erasures_without_effect(&self) -> Result<Vec<(SubjectId, Position)>, StoreError> {
        let query = sqlx::query(ERASURES_WITHOUT_EFFECT).bind(now().to_sqlx());
        let rows = self.in_time(async { Ok(query.fetch_all(&self.long).await?) }).await?;
        let erasure = |row| -> Result<_, StoreError> {
            let subject: String = sqlx::Row::try_get(row, "subject")?;
            Ok((SubjectId::try_from(subject)?, position(row, "position")?))
        };
        rows.iter().map(erasure).collect()
    }

    async fn marked_subjects(&self) -> Result<(Position, Vec<SubjectState>), StoreError> {
        self.in_time(async {
            let sql = "SELECT coalesce(head.position, 0) AS head, subjects.subject AS subject, held_at, erased_at,
                    wrapped IS NOT NULL AS has_key
             FROM (SELECT 1) AS one LEFT JOIN head ON true LEFT JOIN subjects ON true
             LEFT JOIN data_keys ON data_keys.subject = subjects.subject ORDER BY 2";
            let rows = sqlx::query(sql).fetch_all(&self.long).await?;
            let head = rows.first().map(|row| position(row, "head")).transpose()?;
            let mut marked = Vec::new();
            for row in &rows {
                if row.try_get::<Option<String>, _>("subject")?.is_some() {
                    marked.push(state(row)?);
                }
            }
            Ok((head.unwrap_or_default(), marked))
        })
        .await
    }

    async fn erased_subjects(&self) -> Result<Vec<SubjectState>, StoreError> {
        self.in_time(async {
            let sql = "SELECT subject, held_at, erased_at, wrapped IS NOT NULL AS has_key
             FROM subjects LEFT JOIN data_keys USING (subject) WHERE erased_at IS NOT NULL ORDER BY subject";
            let rows = sqlx::query(sql).fetch_all(&self.long).await?;
            rows.iter().map(state).collect()
        })
        .await
    }
}

fn id(bytes: Vec<u8>) -> Result<MasterKeyId, StoreError> {
    let id = MasterKeyId::of_wrapped(&bytes);
    id.ok_or_else(|| StoreError::Corrupt("a master key's id does not have 8 bytes".to_owned()))
}

fn key(row: &PgRow) -> Result<WrappedKey, StoreError> {
    Ok(WrappedKey {
        subject: SubjectId::try_from(row.try_get::<String, _>("subject")?)?,
        wrapped: row.try_get("wrapped")?,
        since: position(row, "since")?,
    })
}

fn state(row: &PgRow) -> Result<SubjectState, StoreError> {
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
