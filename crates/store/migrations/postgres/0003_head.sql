-- The end of the log: one row, compared and set by every append. With it the right edge of the Merkle tree: the roots of the perfect
-- subtrees over the first tree_size events, the largest first. A tree_size below the position is caught up with at the next start.
CREATE TABLE head (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    tree_size   bigint      NOT NULL DEFAULT 0,
    frontier    bytea       NOT NULL DEFAULT ''
);

INSERT INTO head (position, recorded_at) VALUES (0, 'epoch');
