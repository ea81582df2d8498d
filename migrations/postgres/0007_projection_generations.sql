-- The generations of each projection's rows, with their checkpoints. Their tables are made by the service.
CREATE TABLE projection_generations (
    name       text        COLLATE "C" NOT NULL,
    generation bigint      NOT NULL,
    version    integer     NOT NULL,
    position   bigint      NOT NULL,
    state      text        NOT NULL CHECK (state IN ('building', 'live', 'retired')),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (name, generation)
);

CREATE UNIQUE INDEX projection_generations_live ON projection_generations (name) WHERE state = 'live';
CREATE UNIQUE INDEX projection_generations_building ON projection_generations (name) WHERE state = 'building';
