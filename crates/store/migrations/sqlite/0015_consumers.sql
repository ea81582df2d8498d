-- Consumers outside the process, each with what it reads and how far it has come. Its owner is the actor that made it, as in the
-- access log; the relay's has none.
CREATE TABLE consumers (
    name       TEXT    PRIMARY KEY,
    filter     TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    created_at TEXT    NOT NULL,
    updated_at TEXT    NOT NULL,
    seen_at    TEXT,
    owner      TEXT
) STRICT, WITHOUT ROWID;
