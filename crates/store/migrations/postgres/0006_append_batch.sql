-- Appends a batch behind the expected head: all of it or, if the head has moved on, nothing (returns false).
-- One call is one statement, so one transaction and one round trip. A duplicate raises unique_violation and undoes all.
-- Row arrays are parallel; p_ref_rows holds for each reference the number (from 1) of its event in the batch.
CREATE FUNCTION append_batch(
    p_expected        bigint,
    p_recorded_at     timestamptz,
    p_streams         text[],
    p_versions        integer[],
    p_sources         text[],
    p_event_ids       text[],
    p_types           text[],
    p_schema_versions integer[],
    p_subjects        text[],
    p_facts           text[],
    p_personals       bytea[],
    p_secrets         bytea[],
    p_originals       bytea[],
    p_leaf_hashes     bytea[],
    p_refs            bigint[],
    p_ref_rows        integer[],
    p_key_subjects    text[],
    p_keys            bytea[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE head
    SET position = p_expected + cardinality(p_streams), recorded_at = p_recorded_at
    WHERE position = p_expected;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    INSERT INTO events (position, stream, version, source, event_id, type, schema_version, recorded_at, subject,
                        facts, personal, secrets, original, leaf_hash)
    SELECT p_expected + row, stream, version, source, event_id, type, schema_version, p_recorded_at, subject,
           facts::json, personal, secrets, original, leaf_hash
    FROM unnest(p_streams, p_versions, p_sources, p_event_ids, p_types, p_schema_versions, p_subjects, p_facts,
                p_personals, p_secrets, p_originals, p_leaf_hashes)
        WITH ORDINALITY AS batch (stream, version, source, event_id, type, schema_version, subject, facts,
                                  personal, secrets, original, leaf_hash, row);

    IF cardinality(p_refs) > 0 THEN
        INSERT INTO refs (ref, position)
        SELECT ref, p_expected + row FROM unnest(p_refs, p_ref_rows) AS batch (ref, row);
    END IF;

    IF cardinality(p_key_subjects) > 0 THEN
        INSERT INTO data_keys (subject, wrapped, created_at)
        SELECT subject, wrapped, p_recorded_at FROM unnest(p_key_subjects, p_keys) AS batch (subject, wrapped);
    END IF;

    RETURN true;
END
$$;
