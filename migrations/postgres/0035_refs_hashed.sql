-- References are only ever looked for one by one. A hash index takes half the time of a B-tree to insert into: references come in no
-- order, and a webhook that places an order brings some four.
DROP INDEX refs_ref;
CREATE INDEX refs_ref ON refs USING hash (ref);
