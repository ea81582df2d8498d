-- Facts repeat the names of their fields for each mailbox: compressed they take two thirds. PostgreSQL tries to compress a row of
-- more than 2 kB until it fits, the longest value first; MAIN keeps all of it in its row up to the 8 kB that a page holds, and
-- PLAIN keeps the keys out of it. Sealed sections do not get shorter, which lz4 finds out at once.
-- Where this server was built without lz4 rows stay as they are: pglz takes seven times as long.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE events
            ALTER COLUMN stream SET STORAGE PLAIN,
            ALTER COLUMN source SET STORAGE PLAIN,
            ALTER COLUMN event_id SET STORAGE PLAIN,
            ALTER COLUMN type SET STORAGE PLAIN,
            ALTER COLUMN subject SET STORAGE PLAIN,
            ALTER COLUMN leaf_hash SET STORAGE PLAIN,
            ALTER COLUMN facts SET STORAGE MAIN,
            ALTER COLUMN facts SET COMPRESSION lz4,
            ALTER COLUMN personal SET STORAGE MAIN,
            ALTER COLUMN personal SET COMPRESSION lz4,
            ALTER COLUMN secrets SET STORAGE MAIN,
            ALTER COLUMN secrets SET COMPRESSION lz4,
            ALTER COLUMN original SET STORAGE MAIN,
            ALTER COLUMN original SET COMPRESSION lz4,
            SET (toast_tuple_target = 2040);
    END IF;
END
$$;
