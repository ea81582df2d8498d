-- The log. Rows are only ever added (0005), in the total order of their positions.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY,
    stream         TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    source         TEXT    NOT NULL,
    event_id       TEXT    NOT NULL,
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    recorded_at    TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    facts          TEXT    NOT NULL,
    personal       BLOB,
    secrets        BLOB,
    original       BLOB,
    leaf_hash      BLOB    NOT NULL,
    UNIQUE (stream, version),
    UNIQUE (source, event_id)
) STRICT;
