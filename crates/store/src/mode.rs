//! The mode a store is opened in, and whether its schema fits that mode.

use sqlx::migrate::{MigrateError, Migration, Migrator};

use super::StoreError;

/// The mode a store is opened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To serve, or to migrate: creates a ledger if there is none, and migrates an older schema.
    Migrate,
    /// To write to an existing ledger. Its schema is left alone.
    Existing,
    /// To read an existing ledger, and to write if possible: on a standby, with a role that may only SELECT, and on a
    /// read-only file each write is a [`StoreError::ReadOnly`] or [`StoreError::Refused`].
    ReadOnly,
}

/// An applied migration: its version, and the checksum of its text.
pub(super) type Applied = (i64, Vec<u8>);

/// The applied migrations of a database.
pub(super) const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

/// Whether a database fits a mode. `applied` are its applied migrations, none if this program did not create the
/// database.
///
/// # Errors
/// [`StoreError::NoLedger`] and [`StoreError::Unsuitable`].
pub(super) fn check(applied: Option<&[Applied]>, migrator: &Migrator, mode: Mode) -> Result<(), StoreError> {
    let applied = applied.unwrap_or_default();
    let is_other = |one: &&Migration| {
        let same = |(version, checksum): &Applied| *version == one.version && **checksum != *one.checksum;
        applied.iter().any(same)
    };
    if let Some(other) = migrator.iter().find(is_other) {
        return Err(StoreError::Unsuitable(format!(
            "its tables are another program's, or those of a warmledger from before version 0.1.0 (migration {}, {}, is not the one of \
             this version), and cannot be brought up to date: name an empty database, or open this one with the program that made it",
            other.version, other.description
        )));
    }
    let applied: Vec<i64> = applied.iter().map(|(version, _)| *version).collect();
    let known: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
    let newest = known.last().copied().unwrap_or_default();
    let at = applied.iter().max().copied();
    if let Some(unknown) = applied.iter().filter(|version| !known.contains(version)).max() {
        return Err(StoreError::Unsuitable(
            if known.iter().any(|version| applied.contains(version)) {
                format!(
                    "the ledger's schema is of a newer version of warmledger (it has migration {unknown}; this one ends at \
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

/// The migrations that a ledger of an earlier version lacks. Each is logged when its turn comes: in a large ledger it
/// may take long, and the service does not answer meanwhile.
pub(super) fn missing(applied: Option<Vec<Applied>>, migrator: &'static Migrator) -> impl Iterator<Item = i64> {
    let applied = applied.unwrap_or_default();
    let lacks =
        move |one: &&Migration| !applied.is_empty() && applied.iter().all(|(version, _)| *version != one.version);
    migrator.iter().filter(lacks).map(|one| {
        tracing::info!(
            migration = one.version,
            "the ledger is of an earlier version: its tables are changed ({})",
            one.description
        );
        one.version
    })
}

/// The error of a migration, with its number.
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

    fn migration(version: i64, sql: &'static str) -> Migration {
        let kind = sqlx::migrate::MigrationType::Simple;
        Migration::new(version, "m".into(), kind, sql.into_sql_str(), false)
    }

    fn checked(applied: Option<&[i64]>, mode: Mode) -> Result<(), String> {
        checked_of(applied, "", mode)
    }

    /// As [`checked`], for applied migrations with this text.
    fn checked_of(applied: Option<&[i64]>, sql: &'static str, mode: Mode) -> Result<(), String> {
        let migrator = Migrator::with_migrations(vec![migration(1, ""), migration(2, "")]);
        let seen = |version: &i64| (*version, migration(*version, sql).checksum.into_owned());
        let applied: Option<Vec<Applied>> = applied.map(|versions| versions.iter().map(seen).collect());
        check(applied.as_deref(), &migrator, mode).map_err(|error| error.to_string())
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

    #[test]
    fn nobody_takes_a_schema_from_before_the_first_release() {
        for (mode, applied) in [
            (Mode::Migrate, &[1][..]),
            (Mode::Existing, &[1, 2]),
            (Mode::ReadOnly, &[1, 2, 3]),
        ] {
            let refused = checked_of(Some(applied), "CREATE TABLE old", mode).unwrap_err();
            assert!(
                refused.contains("before version 0.1.0") && refused.contains("empty database"),
                "{refused}"
            );
        }
    }
}
