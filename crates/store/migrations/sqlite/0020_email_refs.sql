-- Which events have an e-mail address in their personal section: ref is a keyed hash of 64 bits. The rows of a subject are removed with
-- its data key.
CREATE TABLE email_refs (
    position INTEGER NOT NULL,
    ref      INTEGER NOT NULL,
    subject  TEXT    NOT NULL
) STRICT;

CREATE INDEX email_refs_ref ON email_refs (ref);
CREATE INDEX email_refs_subject ON email_refs (subject);

-- The position after which every event has its rows: events that an earlier version recorded have none until they are made.
CREATE TABLE emails_after (
    only_row INTEGER PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO emails_after (position) SELECT position FROM head;

-- What an event says of a subject becomes true in the same step as it is recorded, whoever records it: an erasure
-- destroys the data key, and the hashes of addresses with it.
DROP TRIGGER events_erase_subjects;
CREATE TRIGGER events_erase_subjects AFTER INSERT ON events WHEN NEW.type = 'SubjectErased'
BEGIN
    DELETE FROM data_keys WHERE subject = NEW.subject;
    DELETE FROM email_refs WHERE subject = NEW.subject;
    INSERT INTO subjects (subject, erased_at) VALUES (NEW.subject, NEW.position)
    ON CONFLICT (subject) DO UPDATE SET erased_at = excluded.erased_at;
END;
