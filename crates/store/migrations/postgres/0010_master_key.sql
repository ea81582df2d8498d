-- The master key that new data keys are wrapped under: one row, by the key's id. A wrapped key begins with that id.
CREATE TABLE master_key (
    only_row boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    id       bytea       NOT NULL,
    since    timestamptz NOT NULL
);
