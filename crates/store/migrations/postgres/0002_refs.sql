-- Which events brought a subscription or a domain into the ledger: ref is a 64-bit hash of kind and id. An event names each of its
-- references once.
CREATE TABLE refs (
    ref      bigint NOT NULL,
    position bigint NOT NULL
);

-- References are only ever looked for one by one. A hash index takes half the time of a B-tree to insert into: references come in no
-- order, and a webhook that places an order brings some four.
CREATE INDEX refs_ref ON refs USING hash (ref);
