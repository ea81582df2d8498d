-- A reference is looked for, never a pair: an index without the position is a third smaller, and nobody has to look whether a
-- pair is there already. None is: an event names each of its references once.
CREATE INDEX refs_ref ON refs (ref);
ALTER TABLE refs DROP CONSTRAINT refs_pkey;
