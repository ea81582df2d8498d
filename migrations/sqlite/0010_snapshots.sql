-- Rows as of an earlier position: `filling` while they are folded up to it, then `snapshot`, which never changes.
-- SQLite cannot change a table's CHECK, so both tables are made anew with what they hold.
CREATE TABLE new_generations (
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('building', 'live', 'retired', 'filling', 'snapshot')),
    updated_at TEXT    NOT NULL,
    PRIMARY KEY (name, generation)
) STRICT;

INSERT INTO new_generations SELECT * FROM projection_generations;

CREATE TABLE new_parked_rows (
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    error      TEXT    NOT NULL,
    parked_at  TEXT    NOT NULL,
    PRIMARY KEY (name, generation, key),
    FOREIGN KEY (name, generation) REFERENCES new_generations (name, generation) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

INSERT INTO new_parked_rows SELECT * FROM parked_rows;

-- what refers to the parent goes first, and follows it to its new name
DROP TABLE parked_rows;
DROP TABLE projection_generations;
ALTER TABLE new_generations RENAME TO projection_generations;
ALTER TABLE new_parked_rows RENAME TO parked_rows;

CREATE UNIQUE INDEX projection_generations_live ON projection_generations (name) WHERE state = 'live';
CREATE UNIQUE INDEX projection_generations_building ON projection_generations (name) WHERE state = 'building';
