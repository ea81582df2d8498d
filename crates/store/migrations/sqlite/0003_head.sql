-- The end of the log: one row, compared and set by every append. With it the right edge of the Merkle tree: the roots of the perfect
-- subtrees over the first tree_size events, the largest first. A tree_size below the position is caught up with at the next start.
CREATE TABLE head (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    position    INTEGER NOT NULL,
    recorded_at TEXT    NOT NULL,
    tree_size   INTEGER NOT NULL DEFAULT 0,
    frontier    BLOB    NOT NULL DEFAULT x''
) STRICT;

INSERT INTO head (only_row, position, recorded_at) VALUES (1, 0, '1970-01-01T00:00:00.000000Z');
