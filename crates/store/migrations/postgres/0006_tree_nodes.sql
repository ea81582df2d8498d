-- The Merkle tree over all events (RFC 6962), in tiles of height 8. Its leaves are events.leaf_hash. Here are the roots of its
-- full tiles: number n of level l is the root over the 256^l events from position n * 256^l + 1 on.
CREATE TABLE tree_nodes (
    level  smallint NOT NULL,
    number bigint   NOT NULL,
    hash   bytea    NOT NULL,
    PRIMARY KEY (level, number)
);

CREATE TRIGGER tree_nodes_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON tree_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_proof();
