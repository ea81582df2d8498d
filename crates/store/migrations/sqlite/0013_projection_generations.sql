-- The generations of each projection's rows, with their checkpoints. Their tables are made by the service.
-- Beside live ones, and those that are built to replace them, snapshots: rows as of an earlier position, `filling` while they
-- are folded up to it, and then never changed.
-- row_count is written in the transaction that writes the rows: counting them takes seconds where there are millions. Where it is null,
-- the rows are counted once somebody asks.
-- by_service: the service itself fills the generation, because it was asked to over HTTP or since its code is newer than the rows, and
-- goes on with it after a restart. One that a command fills is that command's to go on with.
CREATE TABLE projection_generations (
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('building', 'live', 'retired', 'filling', 'snapshot')),
    updated_at TEXT    NOT NULL,
    row_count  INTEGER,
    by_service INTEGER NOT NULL DEFAULT 0 CHECK (by_service IN (0, 1)),
    PRIMARY KEY (name, generation)
) STRICT;

CREATE UNIQUE INDEX projection_generations_live ON projection_generations (name) WHERE state = 'live';
CREATE UNIQUE INDEX projection_generations_building ON projection_generations (name) WHERE state = 'building';
