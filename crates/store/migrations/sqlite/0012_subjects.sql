-- Subjects that are under legal hold or were erased, with the position of the event that did it. The constraint refuses to erase a
-- subject that is held.
CREATE TABLE subjects (
    subject   TEXT PRIMARY KEY,
    held_at   INTEGER,
    erased_at INTEGER,
    CONSTRAINT subjects_held_not_erased CHECK (held_at IS NULL OR erased_at IS NULL OR erased_at < held_at)
) STRICT, WITHOUT ROWID;

-- What an event says of a subject becomes true in the same step as it is recorded, whoever records it: an erasure
-- destroys the data key.
CREATE TRIGGER events_erase_subjects AFTER INSERT ON events WHEN NEW.type = 'SubjectErased'
BEGIN
    DELETE FROM data_keys WHERE subject = NEW.subject;
    INSERT INTO subjects (subject, erased_at) VALUES (NEW.subject, NEW.position)
    ON CONFLICT (subject) DO UPDATE SET erased_at = excluded.erased_at;
END;

CREATE TRIGGER events_hold_subjects AFTER INSERT ON events WHEN NEW.type = 'SubjectHeld'
BEGIN
    INSERT INTO subjects (subject, held_at) VALUES (NEW.subject, NEW.position)
    ON CONFLICT (subject) DO UPDATE SET held_at = coalesce(held_at, excluded.held_at);
END;

CREATE TRIGGER events_release_subjects AFTER INSERT ON events WHEN NEW.type = 'SubjectReleased'
BEGIN
    UPDATE subjects SET held_at = NULL WHERE subject = NEW.subject;
END;
