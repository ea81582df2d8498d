-- One data key per subject, wrapped by the master key. Destroying a row erases the subject's sealed sections.
CREATE TABLE data_keys (
    subject    TEXT PRIMARY KEY,
    wrapped    BLOB NOT NULL,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A process that has not heard of a rotation yet must not bring in a data key under the old master key. It is told so as
-- if the key were there already: an append answers that by looking again and deciding anew.
CREATE TRIGGER data_keys_under_current BEFORE INSERT ON data_keys
WHEN (SELECT id FROM master_key) <> substr(NEW.wrapped, 1, 8)
BEGIN
    SELECT RAISE(ABORT, 'the data key is not wrapped by the current master key');
END;
