-- Where the log's time steps back: the event at this position is stamped earlier than the one in front of it, since a clock had run ahead.
-- Between two of these time never decreases, so that a moment is found by halving.
CREATE TABLE clock_steps (
    position     INTEGER PRIMARY KEY,
    stepped_from TEXT NOT NULL,
    stepped_to   TEXT NOT NULL
) STRICT;

CREATE TRIGGER head_steps_back AFTER UPDATE OF recorded_at ON head
WHEN NEW.recorded_at < OLD.recorded_at AND NEW.position > OLD.position
BEGIN
    INSERT INTO clock_steps (position, stepped_from, stepped_to)
    VALUES (OLD.position + 1, OLD.recorded_at, NEW.recorded_at)
    ON CONFLICT (position) DO UPDATE SET stepped_from = excluded.stepped_from, stepped_to = excluded.stepped_to;
END;
