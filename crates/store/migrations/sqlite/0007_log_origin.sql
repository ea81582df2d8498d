-- The log's name in its checkpoints. A log cannot be renamed.
CREATE TABLE log_origin (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    origin   TEXT    NOT NULL
) STRICT;

CREATE TRIGGER log_origin_not_updated BEFORE UPDATE ON log_origin
BEGIN
    SELECT RAISE(ABORT, 'log_origin is immutable: UPDATE refused');
END;

CREATE TRIGGER log_origin_not_deleted BEFORE DELETE ON log_origin
BEGIN
    SELECT RAISE(ABORT, 'log_origin is immutable: DELETE refused');
END;
