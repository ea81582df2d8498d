-- The Merkle tree over all events (RFC 6962), in tiles of height 8. Its leaves are events.leaf_hash. Here are the roots of its
-- full tiles: number n of level l is the root over the 256^l events from position n * 256^l + 1 on.
CREATE TABLE tree_nodes (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash   BLOB    NOT NULL,
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

-- Its right edge: the roots of the perfect subtrees over the first tree_size events, the largest first. A log that was written
-- without a tree has a smaller tree_size than position, until it is caught up with at the next start.
ALTER TABLE head ADD COLUMN tree_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE head ADD COLUMN frontier BLOB NOT NULL DEFAULT x'';
