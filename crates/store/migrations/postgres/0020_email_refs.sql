-- Which events have an e-mail address in their personal section: ref is a keyed hash of 64 bits. The rows of a subject are removed with
-- its data key.
CREATE TABLE email_refs (
    position bigint NOT NULL,
    ref      bigint NOT NULL,
    subject  text   COLLATE "C" NOT NULL
);

-- Addresses are only ever looked for one by one, as references are.
CREATE INDEX email_refs_ref ON email_refs USING hash (ref);
CREATE INDEX email_refs_subject ON email_refs (subject);

-- The position after which every event has its rows: events that an earlier version recorded have none until they are made.
CREATE TABLE emails_after (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint  NOT NULL
);
INSERT INTO emails_after (position) SELECT position FROM head;

-- What an event says of a subject becomes true in the same step as it is recorded, whoever records it: an erasure
-- destroys the data key, and the hashes of addresses with it.
CREATE OR REPLACE FUNCTION follow_subject_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.type = 'SubjectErased' THEN
        DELETE FROM data_keys WHERE subject = NEW.subject;
        DELETE FROM email_refs WHERE subject = NEW.subject;
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
