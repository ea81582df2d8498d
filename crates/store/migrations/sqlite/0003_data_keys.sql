-- One data key per subject, wrapped by the master key. Destroying a row erases the subject's sealed sections.
CREATE TABLE data_keys (
    subject    TEXT PRIMARY KEY,
    wrapped    BLOB NOT NULL,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
