-- One data key per subject, wrapped by the master key. Destroying a row erases the subject's sealed sections.
CREATE TABLE data_keys (
    subject    text        COLLATE "C" PRIMARY KEY,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL
);

-- A process that has not heard of a rotation yet must not bring in a data key under the old master key. It is told so as
-- if the key were there already: an append answers that by looking again and deciding anew.
CREATE FUNCTION refuse_old_master_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added, master_key WHERE substr(added.wrapped, 1, 8) <> master_key.id) THEN
        RAISE EXCEPTION 'the data key is not wrapped by the current master key' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER data_keys_under_current AFTER INSERT ON data_keys
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_old_master_key();
