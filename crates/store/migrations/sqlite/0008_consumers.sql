-- Consumers outside the process, each with what it reads and how far it has come.
CREATE TABLE consumers (
    name       TEXT    PRIMARY KEY,
    filter     TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    created_at TEXT    NOT NULL,
    updated_at TEXT    NOT NULL,
    seen_at    TEXT
) STRICT, WITHOUT ROWID;
