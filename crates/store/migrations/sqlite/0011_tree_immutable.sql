CREATE TRIGGER tree_nodes_not_updated BEFORE UPDATE ON tree_nodes
BEGIN
    SELECT RAISE(ABORT, 'tree_nodes is immutable: UPDATE refused');
END;

CREATE TRIGGER tree_nodes_not_deleted BEFORE DELETE ON tree_nodes
BEGIN
    SELECT RAISE(ABORT, 'tree_nodes is immutable: DELETE refused');
END;

CREATE TRIGGER log_origin_not_updated BEFORE UPDATE ON log_origin
BEGIN
    SELECT RAISE(ABORT, 'log_origin is immutable: UPDATE refused');
END;

CREATE TRIGGER log_origin_not_deleted BEFORE DELETE ON log_origin
BEGIN
    SELECT RAISE(ABORT, 'log_origin is immutable: DELETE refused');
END;

CREATE TRIGGER signing_keys_not_updated BEFORE UPDATE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'signing_keys is immutable: UPDATE refused');
END;

CREATE TRIGGER signing_keys_not_deleted BEFORE DELETE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'signing_keys is immutable: DELETE refused');
END;

CREATE TRIGGER checkpoints_not_updated BEFORE UPDATE ON checkpoints
BEGIN
    SELECT RAISE(ABORT, 'checkpoints is immutable: UPDATE refused');
END;

CREATE TRIGGER checkpoints_not_deleted BEFORE DELETE ON checkpoints
BEGIN
    SELECT RAISE(ABORT, 'checkpoints is immutable: DELETE refused');
END;
