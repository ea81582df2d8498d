-- Webhooks that were refused and are kept aside for a bounded time, sealed: they may be taken in once the right key is configured.
CREATE TABLE refused (
    id       TEXT PRIMARY KEY,
    at       TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    address  TEXT    NOT NULL,
    sender   TEXT    NOT NULL,
    known    INTEGER NOT NULL,
    cause    TEXT    NOT NULL,
    scheme   TEXT,
    event_id TEXT,
    size     INTEGER NOT NULL,
    sealed   BLOB    NOT NULL
) STRICT;

CREATE INDEX refused_at ON refused (at, id);
CREATE INDEX refused_sender ON refused (sender);
