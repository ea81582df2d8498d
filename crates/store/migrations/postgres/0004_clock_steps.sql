-- Where the log's time steps back: the event at this position is stamped earlier than the one in front of it, since a clock had run ahead.
-- Between two of these time never decreases, so that a moment is found by halving.
CREATE TABLE clock_steps (
    position     bigint      PRIMARY KEY,
    stepped_from timestamptz NOT NULL,
    stepped_to   timestamptz NOT NULL
);

CREATE FUNCTION note_clock_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO clock_steps (position, stepped_from, stepped_to)
    VALUES (OLD.position + 1, OLD.recorded_at, NEW.recorded_at)
    ON CONFLICT (position) DO UPDATE SET stepped_from = excluded.stepped_from, stepped_to = excluded.stepped_to;
    RETURN NULL;
END
$$;

CREATE TRIGGER head_steps_back AFTER UPDATE ON head
    FOR EACH ROW WHEN (NEW.recorded_at < OLD.recorded_at AND NEW.position > OLD.position)
    EXECUTE FUNCTION note_clock_step();
