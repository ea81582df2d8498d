-- The end of the log: one row, compared and set by every append.
CREATE TABLE head (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    position    INTEGER NOT NULL,
    recorded_at TEXT    NOT NULL
) STRICT;

INSERT INTO head (only_row, position, recorded_at) VALUES (1, 0, '1970-01-01T00:00:00.000000Z');
