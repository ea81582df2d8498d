-- One data key per subject, wrapped by the master key. Destroying a row erases the subject's sealed sections.
CREATE TABLE data_keys (
    subject    text        COLLATE "C" PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL
);
