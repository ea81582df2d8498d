-- Every checkpoint that the log has signed: the root of the tree over its first `size` events, and the signed note.
-- They are numbered 1, 2, 3, … in the order in which they were kept, so that one that was removed leaves a gap.
CREATE TABLE checkpoints (
    id         INTEGER PRIMARY KEY,
    size       INTEGER NOT NULL,
    root       BLOB    NOT NULL,
    note       TEXT    NOT NULL,
    created_at TEXT    NOT NULL,
    number     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX checkpoints_size ON checkpoints (size, id);
CREATE UNIQUE INDEX checkpoints_number ON checkpoints (number);

CREATE TRIGGER checkpoints_not_updated BEFORE UPDATE ON checkpoints
BEGIN
    SELECT RAISE(ABORT, 'checkpoints is immutable: UPDATE refused');
END;

CREATE TRIGGER checkpoints_not_deleted BEFORE DELETE ON checkpoints
BEGIN
    SELECT RAISE(ABORT, 'checkpoints is immutable: DELETE refused');
END;
