-- The log. Rows are only ever added, in the total order of their positions.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY,
    stream         TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    source         TEXT    NOT NULL,
    event_id       TEXT    NOT NULL,
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    recorded_at    TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    facts          TEXT    NOT NULL,
    personal       BLOB,
    secrets        BLOB,
    original       BLOB,
    leaf_hash      BLOB    NOT NULL,
    UNIQUE (stream, version),
    UNIQUE (source, event_id)
) STRICT;

-- Every start looks up whether each erasure is in effect, and does not read the whole log for that.
CREATE INDEX events_erasures ON events (subject, position) WHERE type = 'SubjectErased';

CREATE TRIGGER events_not_updated BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: UPDATE refused');
END;

CREATE TRIGGER events_not_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: DELETE refused');
END;

-- INSERT OR REPLACE would delete without firing the trigger above. FAIL leaves undoing what the statement did before to whoever wrote
-- it: SQLite keeps a copy of each page that a statement changes which may have to be undone alone.
CREATE TRIGGER events_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
    OR EXISTS (SELECT 1 FROM events WHERE stream = NEW.stream AND version = NEW.version)
    OR EXISTS (SELECT 1 FROM events WHERE source = NEW.source AND event_id = NEW.event_id)
BEGIN
    SELECT RAISE(FAIL, 'events are immutable: position, version or event id is taken');
END;
