-- Rows that an event could not be folded into: they stand still, and everything else goes on.
CREATE TABLE parked_rows (
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    error      TEXT    NOT NULL,
    parked_at  TEXT    NOT NULL,
    PRIMARY KEY (name, generation, key),
    FOREIGN KEY (name, generation) REFERENCES projection_generations (name, generation) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
