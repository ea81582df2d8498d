-- Who does what one process does for all: folding, signing, publishing, rotating the master key. A lease ends by itself at `until`,
-- by this database's clock, unless its holder moves that on. Whoever takes it over raises the epoch, and what is written under an
-- earlier one is refused.
CREATE TABLE leases (
    duty   text        COLLATE "C" PRIMARY KEY,
    holder text        NOT NULL,
    epoch  bigint      NOT NULL,
    until  timestamptz NOT NULL
);
