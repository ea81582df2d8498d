-- The log's name in its checkpoints. A log cannot be renamed.
CREATE TABLE log_origin (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    origin   TEXT    NOT NULL
) STRICT;

-- The public keys that the log has signed with, in the form of C2SP signed-note; the newest one signs.
CREATE TABLE signing_keys (
    id         INTEGER PRIMARY KEY,
    verifier   TEXT    NOT NULL UNIQUE,
    created_at TEXT    NOT NULL
) STRICT;

-- Every checkpoint that the log has signed: the root of the tree over its first `size` events, and the signed note.
CREATE TABLE checkpoints (
    id         INTEGER PRIMARY KEY,
    size       INTEGER NOT NULL,
    root       BLOB    NOT NULL,
    note       TEXT    NOT NULL,
    created_at TEXT    NOT NULL
) STRICT;

CREATE INDEX checkpoints_size ON checkpoints (size, id);
