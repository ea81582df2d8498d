-- Subjects that are under legal hold or were erased, with the position of the event that did it. The constraint refuses to erase a
-- subject that is held.
CREATE TABLE subjects (
    subject   text   COLLATE "C" PRIMARY KEY,
    held_at   bigint,
    erased_at bigint,
    CONSTRAINT subjects_held_not_erased CHECK (held_at IS NULL OR erased_at IS NULL OR erased_at < held_at)
);

-- What an event says of a subject becomes true in the same step as it is recorded, whoever records it: an erasure
-- destroys the data key.
CREATE FUNCTION follow_subject_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.type = 'SubjectErased' THEN
        DELETE FROM data_keys WHERE subject = NEW.subject;
        INSERT INTO subjects (subject, erased_at) VALUES (NEW.subject, NEW.position)
        ON CONFLICT (subject) DO UPDATE SET erased_at = excluded.erased_at;
    ELSIF NEW.type = 'SubjectHeld' THEN
        INSERT INTO subjects (subject, held_at) VALUES (NEW.subject, NEW.position)
        ON CONFLICT (subject) DO UPDATE SET held_at = coalesce(subjects.held_at, excluded.held_at);
    ELSE
        UPDATE subjects SET held_at = NULL WHERE subject = NEW.subject;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER events_of_subjects AFTER INSERT ON events
    FOR EACH ROW WHEN (NEW.type IN ('SubjectErased', 'SubjectHeld', 'SubjectReleased'))
    EXECUTE FUNCTION follow_subject_event();
