-- The log. Rows are only ever added, in the total order of their positions (append_batch).
-- Facts are the text that their leaf is hashed over. Whoever wants a field of them says facts::json ->> 'orderId'.
CREATE TABLE events (
    position       bigint      PRIMARY KEY,
    stream         text        COLLATE "C" NOT NULL,
    version        integer     NOT NULL,
    source         text        COLLATE "C" NOT NULL,
    event_id       text        COLLATE "C" NOT NULL,
    type           text        COLLATE "C" NOT NULL,
    schema_version integer     NOT NULL,
    recorded_at    timestamptz NOT NULL,
    subject        text        COLLATE "C" NOT NULL,
    facts          text        COLLATE "C" NOT NULL,
    personal       bytea,
    secrets        bytea,
    original       bytea,
    leaf_hash      bytea       NOT NULL,
    CONSTRAINT events_stream_version_key UNIQUE (stream, version),
    CONSTRAINT events_source_event_id_key UNIQUE (source, event_id)
);

-- Facts repeat the names of their fields for each mailbox: compressed they take two thirds. PostgreSQL tries to compress the values of
-- a row of more than 2 kB, the longest first, until it fits; MAIN keeps all of them in the row up to the 8 kB that a page holds, the
-- keys among them. Sealed sections do not get shorter, which lz4 finds out at once.
-- Where the server was built without lz4, sealed sections are not tried at all: pglz takes seven times as long.
DO $$
DECLARE
    name text;
BEGIN
    IF EXISTS (SELECT FROM pg_settings WHERE pg_settings.name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        FOREACH name IN ARRAY ARRAY['stream', 'source', 'event_id', 'type', 'subject', 'leaf_hash',
                                    'facts', 'personal', 'secrets', 'original'] LOOP
            EXECUTE format('ALTER TABLE events ALTER COLUMN %I SET STORAGE MAIN, ALTER COLUMN %I SET COMPRESSION lz4',
                           name, name);
        END LOOP;
    ELSE
        ALTER TABLE events
            ALTER COLUMN personal SET STORAGE EXTERNAL,
            ALTER COLUMN secrets SET STORAGE EXTERNAL,
            ALTER COLUMN original SET STORAGE EXTERNAL,
            SET (toast_tuple_target = 8160);
    END IF;
END
$$;

-- Nobody looks for an event by all of its facts.
ALTER TABLE events ALTER COLUMN facts SET STATISTICS 0;

-- Every start looks up whether each erasure is in effect, and does not read the whole log for that.
CREATE INDEX events_erasures ON events (subject, position) WHERE type = 'SubjectErased';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are immutable: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER events_immutable BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER events_not_truncated BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
