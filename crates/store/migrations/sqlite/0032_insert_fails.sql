-- The trigger of 0005 as it was, but that it leaves undoing what the statement did before to whoever wrote it: SQLite keeps a copy of
-- each page that a statement changes which may have to be undone alone.
DROP TRIGGER events_not_replaced;
CREATE TRIGGER events_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
    OR EXISTS (SELECT 1 FROM events WHERE stream = NEW.stream AND version = NEW.version)
    OR EXISTS (SELECT 1 FROM events WHERE source = NEW.source AND event_id = NEW.event_id)
BEGIN
    SELECT RAISE(FAIL, 'events are immutable: position, version or event id is taken');
END;
