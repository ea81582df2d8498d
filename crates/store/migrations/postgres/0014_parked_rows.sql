-- Rows that an event could not be folded into: they stand still, and everything else goes on.
CREATE TABLE parked_rows (
    name       text        COLLATE "C" NOT NULL,
    generation bigint      NOT NULL,
    key        text        COLLATE "C" NOT NULL,
    position   bigint      NOT NULL,
    error      text        NOT NULL,
    parked_at  timestamptz NOT NULL,
    PRIMARY KEY (name, generation, key),
    FOREIGN KEY (name, generation) REFERENCES projection_generations ON DELETE CASCADE
);
