-- Subjects that are under legal hold or were erased, with the position of the event that did it. Written by the events
-- themselves (0020). The constraint refuses to erase a subject that is held.
CREATE TABLE subjects (
    subject   text   COLLATE "C" PRIMARY KEY,
    held_at   bigint,
    erased_at bigint,
    CONSTRAINT subjects_held_not_erased CHECK (held_at IS NULL OR erased_at IS NULL OR erased_at < held_at)
);
