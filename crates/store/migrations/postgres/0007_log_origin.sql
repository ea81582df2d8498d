-- The log's name in its checkpoints. A log cannot be renamed.
CREATE TABLE log_origin (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    origin   text    NOT NULL
);

CREATE TRIGGER log_origin_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON log_origin
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_proof();
