-- The generations of each projection's rows, with their checkpoints. Their tables are made by the service.
-- Beside live ones, and those that are built to replace them, snapshots: rows as of an earlier position, `filling` while they
-- are folded up to it, and then never changed.
-- row_count is written in the transaction that writes the rows: counting them takes seconds where there are millions. Where it is null,
-- the rows are counted once somebody asks.
-- by_service: the service itself fills the generation, because it was asked to over HTTP or since its code is newer than the rows, and
-- goes on with it after a restart. One that a command fills is that command's to go on with.
CREATE TABLE projection_generations (
    name       text        COLLATE "C" NOT NULL,
    generation bigint      NOT NULL,
    version    integer     NOT NULL,
    position   bigint      NOT NULL,
    state      text        NOT NULL CHECK (state IN ('building', 'live', 'retired', 'filling', 'snapshot')),
    updated_at timestamptz NOT NULL,
    row_count  bigint,
    by_service boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (name, generation)
);

CREATE UNIQUE INDEX projection_generations_live ON projection_generations (name) WHERE state = 'live';
CREATE UNIQUE INDEX projection_generations_building ON projection_generations (name) WHERE state = 'building';
