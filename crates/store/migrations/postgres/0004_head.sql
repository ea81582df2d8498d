-- The end of the log: one row, compared and set by every append.
CREATE TABLE head (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL
);

INSERT INTO head (position, recorded_at) VALUES (0, 'epoch');
