-- Every checkpoint that the log has signed: the root of the tree over its first `size` events, and the signed note.
-- They are numbered 1, 2, 3, … in the order in which they were kept, so that one that was removed leaves a gap. Their ids cannot
-- tell: a sequence skips some after a crash or a rollback.
CREATE TABLE checkpoints (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size       bigint      NOT NULL,
    root       bytea       NOT NULL,
    note       text        NOT NULL,
    created_at timestamptz NOT NULL,
    number     bigint      NOT NULL UNIQUE
);

CREATE INDEX checkpoints_size ON checkpoints (size, id);

CREATE TRIGGER checkpoints_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_proof();
