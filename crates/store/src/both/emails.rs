//! The hashes of e-mail addresses.

use std::collections::BTreeMap;
use std::ops::Range;

use aggregates::{Position, SubjectId};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use super::columns::{position, subject};
use super::values::{ANY, EMPTY_EMAIL_REFS, list};
use super::{SqlStore, email_refs, tables};
use crate::log::to_i64;
use crate::{EmailRef, EmailStore, StoreError};
use sealing::EmailHash;

#[async_trait]
impl EmailStore for SqlStore {
    async fn with_email(&self, hash: EmailHash, limit: u32) -> Result<Vec<(Position, SubjectId)>, StoreError> {
        let sql = "SELECT position, subject FROM email_refs WHERE ref = $1 ORDER BY position DESC LIMIT $2";
        let query = sqlx::query(sql).bind(hash.0).bind(i64::from(limit));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        rows.iter()
            .map(|row| Ok((position(row, "position")?, subject(row)?)))
            .collect()
    }

    async fn subjects_with_email(&self, hash: EmailHash, limit: u32) -> Result<Vec<(SubjectId, Position)>, StoreError> {
        let sql = "SELECT subject, max(position) AS position FROM email_refs WHERE ref = $1
                   GROUP BY subject ORDER BY subject LIMIT $2";
        let query = sqlx::query(sql).bind(hash.0).bind(i64::from(limit));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        rows.iter()
            .map(|row| Ok((subject(row)?, position(row, "position")?)))
            .collect()
    }

    async fn email_refs(&self, positions: Range<i64>) -> Result<Vec<(i64, EmailHash, String)>, StoreError> {
        // sorted here, as references are
        let sql = "SELECT position, ref, subject FROM email_refs WHERE position >= $1 AND position < $2";
        let query = sqlx::query_as(sql).bind(positions.start).bind(positions.end);
        let mut rows: Vec<(i64, i64, String)> = self.in_time(query.fetch_all(self.scanning())).await?;
        rows.sort_unstable();
        let rows = rows
            .into_iter()
            .map(|(position, hash, subject)| (position, EmailHash(hash), subject));
        Ok(rows.collect())
    }

    async fn emails_after(&self) -> Result<Position, StoreError> {
        let query = sqlx::query("SELECT position FROM emails_after");
        position(&self.soon(query.fetch_one(self.reading())).await?, "position")
    }

    async fn forget_emails(&self) -> Result<Position, StoreError> {
        self.in_time::<_, StoreError>(async {
            let mut tx = self.begin_long().await?;
            // no event comes in between; emptying the table takes no time, but waits for its readers
            tables::wait_briefly(&mut tx).await?;
            tables::hold_head(&mut tx).await?;
            sqlx::query(EMPTY_EMAIL_REFS).execute(&mut *tx).await?;
            let sql = "UPDATE emails_after SET position = (SELECT position FROM head)";
            sqlx::query(sql).execute(&mut *tx).await?;
            let row = sqlx::query("SELECT position FROM emails_after")
                .fetch_one(&mut *tx)
                .await?;
            tx.commit().await?;
            position(&row, "position")
        })
        .await
    }

    async fn add_emails(&self, from: Position, until: Position, rows: &[EmailRef]) -> Result<bool, StoreError> {
        let erased = format!(
            "SELECT subject, erased_at AS position FROM subjects WHERE erased_at IS NOT NULL AND subject {}$1{}",
            ANY.0, ANY.1
        );
        let subjects = list(rows.iter().map(|row| row.subject.as_str()));
        self.in_time::<_, StoreError>(async {
            let mut tx = self.begin_long().await?;
            // an erasure is either seen here, or removes these rows
            tables::hold_head(&mut tx).await?;
            let sql = "UPDATE emails_after SET position = $1 WHERE position = $2";
            let query = sqlx::query(sql).bind(to_i64(from)).bind(to_i64(until));
            if query.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let erased = sqlx::query(AssertSqlSafe(erased))
                .bind(subjects)
                .fetch_all(&mut *tx)
                .await?;
            let mut since = BTreeMap::new();
            for row in &erased {
                since.insert(row.try_get::<String, _>("subject")?, position(row, "position")?);
            }
            let is_left = |row: &&EmailRef| since.get(row.subject.as_str()).is_none_or(|at| row.position > *at);
            let left: Vec<(i64, i64, &str)> = rows
                .iter()
                .filter(is_left)
                .map(|row| (to_i64(row.position), row.hash.0, row.subject.as_str()))
                .collect();
            email_refs::insert(&mut tx, &left).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }
}
