//! What a store is opened for, and whether its schema is fit for that.

use sqlx::migrate::{MigrateError, Migration, Migrator};

use super::StoreError;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To serve, or to migrate: a ledger is made if there is none, and the schema of an older one is brought up to date.
    Migrate,
    /// To write to a ledger that is there. Its schema is left alone.
    Existing,
    /// To read a ledger that is there, and to write where that happens to be possible: on a standby, with a role that may only
    /// SELECT, and on a read-only file each write is a [`StoreError::ReadOnly`] or [`StoreError::Refused`].
    ReadOnly,
}

/// Whether a database is fit for what it is opened for. `applied` are the migrations that it has seen, none where it is not of
/// this program's making at all.
///
/// # Errors
/// [`StoreError::NoLedger`] and [`StoreError::Unsuitable`].
pub(super) fn check(applied: Option<&[i64]>, migrator: &Migrator, mode: Mode) -> Result<(), StoreError> {
    let applied = applied.unwrap_or_default();
    let known: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
    let newest = known.last().copied().unwrap_or_default();
    let at = applied.iter().max().copied();
    if let Some(stranger) = applied.iter().filter(|version| !known.contains(version)).max() {
        return Err(StoreError::Unsuitable(
            if known.iter().any(|version| applied.contains(version)) {
                format!(
                    "the ledger's schema is of a newer version of warmledger (it has migration {stranger}; this one ends at \
                 {newest}): use that version, or restore the backup from before"
                )
            } else {
                "the database holds another program's tables: name one of the ledger's own".to_owned()
            },
        ));
    }
    match at {
        _ if mode == Mode::Migrate => Ok(()),
        None => Err(StoreError::NoLedger),
        Some(at) if known.iter().any(|version| !applied.contains(version)) => Err(StoreError::Unsuitable(format!(
            "the ledger's schema is of an earlier version (migration {at} of {newest}): `warmledger migrate` brings it up to date, \
             and so does `warmledger serve`"
        ))),
        Some(_) => Ok(()),
    }
}

/// The migrations that a ledger of an earlier version lacks, each told of as its turn comes: in a large ledger it may take a while,
/// and nobody is answered meanwhile.
pub(super) fn missing(applied: Option<&[i64]>, migrator: &'static Migrator) -> impl Iterator<Item = i64> + use<> {
    let applied = applied.unwrap_or_default().to_vec();
    let is_new = applied.is_empty();
    let lacks = move |one: &&Migration| !is_new && !applied.contains(&one.version);
    migrator.iter().filter(lacks).map(|one| {
        tracing::info!(
            migration = one.version,
            "the ledger is of an earlier version: its tables are changed ({})",
            one.description
        );
        one.version
    })
}

/// What went wrong with a migration, with its number.
pub(super) fn failed(version: i64, error: MigrateError) -> StoreError {
    match StoreError::from(error) {
        StoreError::Refused { code, message } => StoreError::Refused {
            message: format!("migration {version}: {message}"),
            code,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use sqlx::SqlSafeStr;

    use super::*;

    fn checked(applied: Option<&[i64]>, mode: Mode) -> Result<(), String> {
        let migration = |version| {
            let kind = sqlx::migrate::MigrationType::Simple;
            Migration::new(version, "m".into(), kind, "".into_sql_str(), false)
        };
        let migrator = Migrator::with_migrations(vec![migration(1), migration(2)]);
        check(applied, &migrator, mode).map_err(|error| error.to_string())
    }

    #[test]
    fn only_migrate_takes_what_is_not_up_to_date() {
        assert_eq!(checked(None, Mode::Migrate), Ok(()));
        assert_eq!(checked(Some(&[1]), Mode::Migrate), Ok(()));
        for mode in [Mode::Existing, Mode::ReadOnly] {
            assert_eq!(checked(Some(&[1, 2]), mode), Ok(()));
            assert!(checked(None, mode).unwrap_err().contains("no ledger"));
            assert!(checked(Some(&[]), mode).unwrap_err().contains("no ledger"));
            assert!(checked(Some(&[1]), mode).unwrap_err().contains("warmledger migrate"));
        }
    }

    #[test]
    fn nobody_takes_a_newer_schema_or_another_programs() {
        for mode in [Mode::Migrate, Mode::Existing, Mode::ReadOnly] {
            assert!(checked(Some(&[1, 2, 3]), mode).unwrap_err().contains("newer version"));
            assert!(
                checked(Some(&[20_230_101]), mode)
                    .unwrap_err()
                    .contains("another program")
            );
        }
    }
}
