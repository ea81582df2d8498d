CREATE TRIGGER events_not_updated BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: UPDATE refused');
END;

CREATE TRIGGER events_not_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: DELETE refused');
END;

-- INSERT OR REPLACE would delete without firing the trigger above.
CREATE TRIGGER events_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
    OR EXISTS (SELECT 1 FROM events WHERE stream = NEW.stream AND version = NEW.version)
    OR EXISTS (SELECT 1 FROM events WHERE source = NEW.source AND event_id = NEW.event_id)
BEGIN
    SELECT RAISE(ABORT, 'events are immutable: position, version or event id is taken');
END;
