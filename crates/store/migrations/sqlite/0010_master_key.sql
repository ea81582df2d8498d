-- The master key that new data keys are wrapped under: one row, by the key's id. A wrapped key begins with that id.
CREATE TABLE master_key (
    only_row INTEGER PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    id       BLOB NOT NULL,
    since    TEXT NOT NULL
) STRICT;
