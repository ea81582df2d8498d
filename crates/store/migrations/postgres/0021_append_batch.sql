DROP FUNCTION append_batch(
    bigint, timestamptz, text[], integer[], text[], text[], text[], integer[], text[], text[], bytea[], bytea[], bytea[],
    bytea[], bigint[], integer[], text[], bytea[], bytea, smallint[], bigint[], bytea[]
);

-- The elements of the arrays are taken row by row: unnest() of several arrays at once keeps each of them in a tuplestore of its own
-- first, which takes a tenth of PostgreSQL's time for a batch of one event. The plans are generic: for a plan of its own PostgreSQL
-- would count the elements, and plan each batch anew.
--
-- Appends a batch behind the expected head: all of it or, if the head has moved on, nothing (returns false).
-- One call is one statement, so one transaction and one round trip. A duplicate raises unique_violation and undoes all.
-- Row arrays are parallel, as are the three of the tree's new nodes; p_ref_rows holds for each reference the number (from 1) of
-- its event in the batch, and p_email_rows for each hash of an e-mail address. p_frontier is the tree's right edge after the batch.
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
    p_emails          bigint[],
    p_email_rows      integer[],
    p_key_subjects    text[],
    p_keys            bytea[],
    p_frontier        bytea,
    p_node_levels     smallint[],
    p_node_numbers    bigint[],
    p_node_hashes     bytea[]
) RETURNS boolean LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    UPDATE head
    SET position = p_expected + cardinality(p_streams), recorded_at = p_recorded_at,
        tree_size = p_expected + cardinality(p_streams), frontier = p_frontier
    WHERE position = p_expected AND tree_size = p_expected;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    INSERT INTO events (position, stream, version, source, event_id, type, schema_version, recorded_at, subject,
                        facts, personal, secrets, original, leaf_hash)
    SELECT p_expected + row, p_streams[row], p_versions[row], p_sources[row], p_event_ids[row], p_types[row],
           p_schema_versions[row], p_recorded_at, p_subjects[row], p_facts[row], p_personals[row], p_secrets[row],
           p_originals[row], p_leaf_hashes[row]
    FROM (SELECT generate_series(1, cardinality(p_streams)) AS row) AS batch;

    IF cardinality(p_refs) > 0 THEN
        INSERT INTO refs (ref, position)
        SELECT p_refs[row], p_expected + p_ref_rows[row]
        FROM (SELECT generate_series(1, cardinality(p_refs)) AS row) AS batch;
    END IF;

    IF cardinality(p_emails) > 0 THEN
        INSERT INTO email_refs (position, ref, subject)
        SELECT p_expected + p_email_rows[row], p_emails[row], p_subjects[p_email_rows[row]]
        FROM (SELECT generate_series(1, cardinality(p_emails)) AS row) AS batch;
    END IF;

    IF cardinality(p_node_levels) > 0 THEN
        INSERT INTO tree_nodes (level, number, hash)
        SELECT p_node_levels[row], p_node_numbers[row], p_node_hashes[row]
        FROM (SELECT generate_series(1, cardinality(p_node_levels)) AS row) AS batch;
    END IF;

    -- only under the head's lock: a rotation of the master key takes it too, and keys wrapped by the old one come too late then
    IF cardinality(p_key_subjects) > 0 THEN
        INSERT INTO data_keys (subject, wrapped, created_at)
        SELECT p_key_subjects[row], p_keys[row], p_recorded_at
        FROM (SELECT generate_series(1, cardinality(p_key_subjects)) AS row) AS batch;
    END IF;

    RETURN true;
END
$$;
