-- The log's name in its checkpoints. A log cannot be renamed.
CREATE TABLE log_origin (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    origin   text    NOT NULL
);

-- The public keys that the log has signed with, in the form of C2SP signed-note; the newest one signs.
CREATE TABLE signing_keys (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verifier   text        COLLATE "C" NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);

-- Every checkpoint that the log has signed: the root of the tree over its first `size` events, and the signed note.
CREATE TABLE checkpoints (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size       bigint      NOT NULL,
    root       bytea       NOT NULL,
    note       text        NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX checkpoints_size ON checkpoints (size, id);
