-- Who does what one process does for all: folding, signing, publishing, rotating the master key. A lease ends by itself at `until`,
-- in milliseconds since 1970 by SQLite's clock, unless its holder moves that on. Whoever takes it over raises the epoch, and what is
-- written under an earlier one is refused.
CREATE TABLE leases (
    duty   TEXT    PRIMARY KEY,
    holder TEXT    NOT NULL,
    epoch  INTEGER NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
