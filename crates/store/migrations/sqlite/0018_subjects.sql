-- Subjects that are under legal hold or were erased, with the position of the event that did it. Written by the events
-- themselves (0019). The constraint refuses to erase a subject that is held.
CREATE TABLE subjects (
    subject   TEXT PRIMARY KEY,
    held_at   INTEGER,
    erased_at INTEGER,
    CONSTRAINT subjects_held_not_erased CHECK (held_at IS NULL OR erased_at IS NULL OR erased_at < held_at)
) STRICT, WITHOUT ROWID;
