-- Facts are the text that their leaf is hashed over, and the service alone writes it: nothing is gained if PostgreSQL reads it once more, to see that
-- it is JSON, before it stores it as it is. Whoever wants a field of them says facts::json ->> 'orderId'.
-- All rows are written anew, once; nobody can read or append meanwhile.

-- whoever reads the log in a long transaction does not hold up those who append to it: then the start fails, and can be repeated
SET LOCAL lock_timeout = '5s';

DO $$
DECLARE
    compressed text := '';
BEGIN
    -- as 0033 had them: with its type a column loses how it is stored
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        compressed := ', ALTER COLUMN facts SET STORAGE MAIN, ALTER COLUMN facts SET COMPRESSION lz4';
    END IF;
    -- nobody looks for an event by all of its facts
    EXECUTE 'ALTER TABLE events ALTER COLUMN facts TYPE text COLLATE "C", ALTER COLUMN facts SET STATISTICS 0' || compressed;
END
$$;
