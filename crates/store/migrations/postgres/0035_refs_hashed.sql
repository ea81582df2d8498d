-- References are only ever looked for one by one. A hash index takes half the time of a B-tree to insert into: references come in no
-- order, and a webhook that places an order brings some four.
-- Whoever looks for one meanwhile finds it; whoever appends waits until the index is made.
CREATE INDEX refs_hashed ON refs USING hash (ref);
DROP INDEX refs_ref;
ALTER INDEX refs_hashed RENAME TO refs_ref;
