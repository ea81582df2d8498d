-- The generations of each projection's rows, with their checkpoints. Their tables are made by the service.
-- Beside live ones, and those that are built to replace them, snapshots: rows as of an earlier position, `filling` while they
-- are folded up to it, and then never changed.
CREATE TABLE projection_generations (
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('building', 'live', 'retired', 'filling', 'snapshot')),
    updated_at TEXT    NOT NULL,
    PRIMARY KEY (name, generation)
) STRICT;

CREATE UNIQUE INDEX projection_generations_live ON projection_generations (name) WHERE state = 'live';
CREATE UNIQUE INDEX projection_generations_building ON projection_generations (name) WHERE state = 'building';
