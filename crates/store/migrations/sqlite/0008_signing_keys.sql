-- The public keys that the log has signed with, in the form of C2SP signed-note; the newest one signs.
CREATE TABLE signing_keys (
    id         INTEGER PRIMARY KEY,
    verifier   TEXT    NOT NULL UNIQUE,
    created_at TEXT    NOT NULL
) STRICT;

CREATE TRIGGER signing_keys_not_updated BEFORE UPDATE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'signing_keys is immutable: UPDATE refused');
END;

CREATE TRIGGER signing_keys_not_deleted BEFORE DELETE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'signing_keys is immutable: DELETE refused');
END;
