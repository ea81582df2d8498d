-- The processes of the service, by their heartbeats, and what each of them holds (JSON, no secret). The clock is that of the
-- machine that all of them run on.
CREATE TABLE processes (
    id         TEXT    PRIMARY KEY,
    host       TEXT    NOT NULL,
    pid        INTEGER NOT NULL,
    data_dir   TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    holds      TEXT    NOT NULL,
    beats      INTEGER NOT NULL DEFAULT 1,
    started_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    seen_at    TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
