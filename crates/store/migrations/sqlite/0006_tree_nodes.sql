-- The Merkle tree over all events (RFC 6962), in tiles of height 8. Its leaves are events.leaf_hash. Here are the roots of its
-- full tiles: number n of level l is the root over the 256^l events from position n * 256^l + 1 on.
CREATE TABLE tree_nodes (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash   BLOB    NOT NULL,
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tree_nodes_not_updated BEFORE UPDATE ON tree_nodes
BEGIN
    SELECT RAISE(ABORT, 'tree_nodes is immutable: UPDATE refused');
END;

CREATE TRIGGER tree_nodes_not_deleted BEFORE DELETE ON tree_nodes
BEGIN
    SELECT RAISE(ABORT, 'tree_nodes is immutable: DELETE refused');
END;
