-- Facts repeat the names of their fields for each mailbox: compressed they take two thirds. PostgreSQL tries to compress the values of
-- a row of more than 2 kB, the longest first, until it fits; MAIN keeps all of them in the row up to the 8 kB that a page holds, the
-- keys among them. Sealed sections do not get shorter, which lz4 finds out at once.
-- Where this server was built without lz4 rows stay as they are: pglz takes seven times as long.

-- whoever reads the log in a long transaction does not hold up those who append to it: then the start fails, and can be repeated
SET LOCAL lock_timeout = '5s';

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
        ALTER TABLE events RESET (toast_tuple_target);
    END IF;
END
$$;
