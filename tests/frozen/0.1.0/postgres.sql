


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;


CREATE FUNCTION public.append_batch(p_expected bigint, p_recorded_at timestamp with time zone, p_streams text[], p_versions integer[], p_sources text[], p_event_ids text[], p_types text[], p_schema_versions integer[], p_subjects text[], p_facts text[], p_personals bytea[], p_secrets bytea[], p_originals bytea[], p_leaf_hashes bytea[], p_refs bigint[], p_ref_rows integer[], p_key_subjects text[], p_keys bytea[], p_frontier bytea, p_node_levels smallint[], p_node_numbers bigint[], p_node_hashes bytea[]) RETURNS boolean
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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



CREATE FUNCTION public.follow_subject_event() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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



CREATE FUNCTION public.note_clock_step() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO clock_steps (position, stepped_from, stepped_to)
    VALUES (OLD.position + 1, OLD.recorded_at, NEW.recorded_at)
    ON CONFLICT (position) DO UPDATE SET stepped_from = excluded.stepped_from, stepped_to = excluded.stepped_to;
    RETURN NULL;
END
$$;



CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'events are immutable: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;



CREATE FUNCTION public.refuse_change_of_proof() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% is immutable: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;



CREATE FUNCTION public.refuse_old_master_key() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM added, master_key WHERE substr(added.wrapped, 1, 8) <> master_key.id) THEN
        RAISE EXCEPTION 'the data key is not wrapped by the current master key' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);



CREATE TABLE public.access_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL,
    "position" bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    actor text NOT NULL COLLATE pg_catalog."C",
    actor_name text COLLATE pg_catalog."C",
    action text COLLATE pg_catalog."C",
    outcome text NOT NULL COLLATE pg_catalog."C",
    refusal text COLLATE pg_catalog."C",
    reason text COLLATE pg_catalog."C",
    mailbox_id text COLLATE pg_catalog."C",
    subject text COLLATE pg_catalog."C",
    domain text COLLATE pg_catalog."C",
    order_id text COLLATE pg_catalog."C",
    projection text COLLATE pg_catalog."C",
    token_id text COLLATE pg_catalog."C",
    first_position bigint,
    last_position bigint,
    passed boolean,
    address text COLLATE pg_catalog."C",
    user_agent text COLLATE pg_catalog."C"
);
ALTER TABLE ONLY public.access_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.access AS
 SELECT access_g1."position",
    access_g1.recorded_at,
    access_g1.actor,
    access_g1.actor_name,
    access_g1.action,
    access_g1.outcome,
    access_g1.refusal,
    access_g1.reason,
    access_g1.mailbox_id,
    access_g1.subject,
    access_g1.domain,
    access_g1.order_id,
    access_g1.projection,
    access_g1.token_id,
    access_g1.first_position,
    access_g1.last_position,
    access_g1.passed,
    access_g1.address,
    access_g1.user_agent,
    access_g1.key,
    access_g1.document
   FROM public.access_g1;



CREATE TABLE public.accounts_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL
);
ALTER TABLE ONLY public.accounts_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.accounts AS
 SELECT accounts_g1.key AS mailbox_id,
    accounts_g1.key,
    accounts_g1.document
   FROM public.accounts_g1;



CREATE TABLE public.checkpoints (
    id bigint NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    number bigint NOT NULL
);



ALTER TABLE public.checkpoints ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.checkpoints_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.clock_steps (
    "position" bigint NOT NULL,
    stepped_from timestamp with time zone NOT NULL,
    stepped_to timestamp with time zone NOT NULL
);



CREATE TABLE public.consumers (
    name text NOT NULL COLLATE pg_catalog."C",
    filter json NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone,
    owner text COLLATE pg_catalog."C"
);



CREATE TABLE public.data_keys (
    subject text NOT NULL COLLATE pg_catalog."C",
    wrapped bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);



CREATE TABLE public.events (
    "position" bigint NOT NULL,
    stream text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    source text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    schema_version integer NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    subject text NOT NULL COLLATE pg_catalog."C",
    facts text NOT NULL COLLATE pg_catalog."C",
    personal bytea,
    secrets bytea,
    original bytea,
    leaf_hash bytea NOT NULL
);
ALTER TABLE ONLY public.events ALTER COLUMN stream SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN source SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN event_id SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN type SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN subject SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN facts SET STATISTICS 0;
ALTER TABLE ONLY public.events ALTER COLUMN facts SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN personal SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN secrets SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN original SET STORAGE MAIN;
ALTER TABLE ONLY public.events ALTER COLUMN leaf_hash SET STORAGE MAIN;



CREATE TABLE public.failures_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL,
    order_id text NOT NULL COLLATE pg_catalog."C",
    domain text COLLATE pg_catalog."C",
    reason text COLLATE pg_catalog."C",
    service_provider text COLLATE pg_catalog."C",
    user_id text COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    source text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    happened_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    day date NOT NULL
);
ALTER TABLE ONLY public.failures_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.failures AS
 SELECT failures_g1.order_id,
    failures_g1.domain,
    failures_g1.reason,
    failures_g1.service_provider,
    failures_g1.user_id,
    failures_g1."position",
    failures_g1.source,
    failures_g1.event_id,
    failures_g1.happened_at,
    failures_g1.recorded_at,
    failures_g1.day,
    failures_g1.key,
    failures_g1.document
   FROM public.failures_g1;



CREATE TABLE public.head (
    only_row boolean DEFAULT true NOT NULL,
    "position" bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    tree_size bigint DEFAULT 0 NOT NULL,
    frontier bytea DEFAULT '\x'::bytea NOT NULL,
    CONSTRAINT head_only_row_check CHECK (only_row)
);



CREATE TABLE public.leases (
    duty text NOT NULL COLLATE pg_catalog."C",
    holder text NOT NULL,
    epoch bigint NOT NULL,
    until timestamp with time zone NOT NULL
);



CREATE TABLE public.log_origin (
    only_row boolean DEFAULT true NOT NULL,
    origin text NOT NULL,
    CONSTRAINT log_origin_only_row_check CHECK (only_row)
);



CREATE TABLE public.mailboxes_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL,
    order_id text NOT NULL COLLATE pg_catalog."C",
    user_id text COLLATE pg_catalog."C",
    service_provider text COLLATE pg_catalog."C",
    subscription_id text COLLATE pg_catalog."C",
    mailbox_count bigint NOT NULL,
    expiry_date timestamp with time zone,
    first_recorded_at timestamp with time zone NOT NULL,
    last_recorded_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY public.mailboxes_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.mailboxes AS
 SELECT mailboxes_g1.key AS domain,
    mailboxes_g1.order_id,
    mailboxes_g1.user_id,
    mailboxes_g1.service_provider,
    mailboxes_g1.subscription_id,
    mailboxes_g1.mailbox_count,
    mailboxes_g1.expiry_date,
    mailboxes_g1.first_recorded_at,
    mailboxes_g1.last_recorded_at,
    mailboxes_g1.key,
    mailboxes_g1.document
   FROM public.mailboxes_g1;



CREATE TABLE public.master_key (
    only_row boolean DEFAULT true NOT NULL,
    id bytea NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT master_key_only_row_check CHECK (only_row)
);



CREATE TABLE public.monthly_mailboxes_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL,
    service_provider text NOT NULL COLLATE pg_catalog."C",
    month date,
    webhooks bigint NOT NULL,
    domains bigint NOT NULL,
    mailboxes bigint NOT NULL
);
ALTER TABLE ONLY public.monthly_mailboxes_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.monthly_mailboxes AS
 SELECT monthly_mailboxes_g1.service_provider,
    monthly_mailboxes_g1.month,
    monthly_mailboxes_g1.webhooks,
    monthly_mailboxes_g1.domains,
    monthly_mailboxes_g1.mailboxes,
    monthly_mailboxes_g1.key,
    monthly_mailboxes_g1.document
   FROM public.monthly_mailboxes_g1;



CREATE TABLE public.orders_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL,
    user_id text COLLATE pg_catalog."C",
    service_provider text COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    reason text COLLATE pg_catalog."C",
    domain_count bigint NOT NULL,
    assigned_count bigint NOT NULL,
    failed_count bigint NOT NULL,
    mailbox_count bigint NOT NULL,
    first_recorded_at timestamp with time zone NOT NULL,
    last_recorded_at timestamp with time zone NOT NULL,
    first_position bigint NOT NULL
);
ALTER TABLE ONLY public.orders_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.order_domains AS
 SELECT orders.key AS order_id,
    (domain.key COLLATE "C") AS domain,
    orders.user_id,
    orders.service_provider,
        CASE
            WHEN (domain.value ? 'assigned'::text) THEN 'assigned'::text
            WHEN (domain.value ? 'failed'::text) THEN 'failed'::text
            ELSE 'pending'::text
        END AS status,
    (domain.value #>> '{subscriptionId,1}'::text[]) AS subscription_id,
    (COALESCE(jsonb_array_length((domain.value -> 'mailboxes'::text)), 0))::bigint AS mailbox_count,
        CASE
            WHEN (NOT (domain.value ? 'assigned'::text)) THEN (domain.value #>> '{reason,1}'::text[])
            ELSE NULL::text
        END AS reason,
    orders.first_recorded_at,
    orders.last_recorded_at,
    orders.first_position
   FROM (public.orders_g1 orders
     CROSS JOIN LATERAL jsonb_each(((orders.document)::jsonb -> 'domains'::text)) domain(key, value));



CREATE VIEW public.orders AS
 SELECT orders_g1.key AS order_id,
    orders_g1.user_id,
    orders_g1.service_provider,
    orders_g1.status,
    orders_g1.reason,
    orders_g1.domain_count,
    orders_g1.assigned_count,
    orders_g1.failed_count,
    orders_g1.mailbox_count,
    orders_g1.first_recorded_at,
    orders_g1.last_recorded_at,
    orders_g1.first_position,
    orders_g1.key,
    orders_g1.document
   FROM public.orders_g1;



CREATE TABLE public.parked_rows (
    name text NOT NULL COLLATE pg_catalog."C",
    generation bigint NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    error text NOT NULL,
    parked_at timestamp with time zone NOT NULL
);



CREATE TABLE public.processes (
    id text NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    data_dir text NOT NULL,
    version text NOT NULL,
    holds text NOT NULL,
    beats bigint DEFAULT 1 NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);



CREATE TABLE public.projection_generations (
    name text NOT NULL COLLATE pg_catalog."C",
    generation bigint NOT NULL,
    version integer NOT NULL,
    "position" bigint NOT NULL,
    state text NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    row_count bigint,
    by_service boolean DEFAULT false NOT NULL,
    CONSTRAINT projection_generations_state_check CHECK ((state = ANY (ARRAY['building'::text, 'live'::text, 'retired'::text, 'filling'::text, 'snapshot'::text])))
);



CREATE TABLE public.refs (
    ref bigint NOT NULL,
    "position" bigint NOT NULL
);



CREATE TABLE public.renewals_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL,
    domain text COLLATE pg_catalog."C",
    order_id text COLLATE pg_catalog."C",
    user_id text COLLATE pg_catalog."C",
    service_provider text COLLATE pg_catalog."C",
    mailbox_count bigint NOT NULL,
    expiry_date timestamp with time zone,
    expiry_known boolean NOT NULL,
    due timestamp with time zone NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    auto_renew boolean,
    last_renewal timestamp with time zone,
    renewals bigint NOT NULL,
    failures bigint NOT NULL,
    last_failure_reason text COLLATE pg_catalog."C",
    first_recorded_at timestamp with time zone NOT NULL,
    last_recorded_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY public.renewals_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.renewals AS
 SELECT renewals_g1.key AS subscription_id,
    renewals_g1.domain,
    renewals_g1.order_id,
    renewals_g1.user_id,
    renewals_g1.service_provider,
    renewals_g1.mailbox_count,
    renewals_g1.expiry_date,
    renewals_g1.expiry_known,
    renewals_g1.due,
    renewals_g1.status,
    renewals_g1.auto_renew,
    renewals_g1.last_renewal,
    renewals_g1.renewals,
    renewals_g1.failures,
    renewals_g1.last_failure_reason,
    renewals_g1.first_recorded_at,
    renewals_g1.last_recorded_at,
    renewals_g1.key,
    renewals_g1.document
   FROM public.renewals_g1;



CREATE TABLE public.signing_keys (
    id bigint NOT NULL,
    verifier text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL
);



ALTER TABLE public.signing_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.signing_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.subjects (
    subject text NOT NULL COLLATE pg_catalog."C",
    held_at bigint,
    erased_at bigint,
    CONSTRAINT subjects_held_not_erased CHECK (((held_at IS NULL) OR (erased_at IS NULL) OR (erased_at < held_at)))
);



CREATE TABLE public.tokens (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    scopes text NOT NULL,
    hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);



CREATE TABLE public.tree_nodes (
    level smallint NOT NULL,
    number bigint NOT NULL,
    hash bytea NOT NULL
);



INSERT INTO public._sqlx_migrations VALUES (1, 'events', '2026-11-30 20:18:33.763551+00', true, '\x5bdb695a907f8e2b3ed2e462111c8b63ff69d11f498b6a60db302c0693c2b03982da9b7c84da5dbbadeee78dc5f7f3a3', 8086358);
INSERT INTO public._sqlx_migrations VALUES (2, 'refs', '2026-11-30 20:18:33.772083+00', true, '\xbad99391a1e270ce93f743591f9c60bb3f6fee68c0cccf365c91170c6a3634d0aed79765e8998b445c30c8dd18c8fe49', 973435);
INSERT INTO public._sqlx_migrations VALUES (3, 'head', '2026-11-30 20:18:33.773248+00', true, '\x04b12e530fce06c8c66404c6f5c10446493df4db78c12a5a5945c698e325492ba077da6a02f0e392112765608104e07e', 2407155);
INSERT INTO public._sqlx_migrations VALUES (4, 'clock steps', '2026-11-30 20:18:33.775806+00', true, '\xac313df9b29d42b494dd22033d3090d789dd7e749d5798f5872a54b11c1463034670ee17a7cfc901df7cb1cd65085cbb', 1314458);
INSERT INTO public._sqlx_migrations VALUES (5, 'refuse change of proof', '2026-11-30 20:18:33.777316+00', true, '\x2457bc9d92da22cf0929ecb2229fe594e192ba2a9526d23764298de9a7b263104a4877e582bca3878dca4f1eafb6293f', 454487);
INSERT INTO public._sqlx_migrations VALUES (6, 'tree nodes', '2026-11-30 20:18:33.777888+00', true, '\xab93f6254ba1ab78043fb11b9c8390a541f0f30def2bffb7fe182ff36ba15d601c1c0a883f9c90c9f659743fd365e9cc', 1275855);
INSERT INTO public._sqlx_migrations VALUES (7, 'log origin', '2026-11-30 20:18:33.779348+00', true, '\x1ab920d39e9dac58df5723fde723e0e65557f551fc2736edfebff54212b87ba4235ea9072375d26a32ac8c0a52790c3e', 1815786);
INSERT INTO public._sqlx_migrations VALUES (8, 'signing keys', '2026-11-30 20:18:33.781291+00', true, '\xd374531a9c21ce66b99ff70d9a261259980698173ef6caaa90205757b04560db78924158a5cad3e62de03701a0296260', 1668416);
INSERT INTO public._sqlx_migrations VALUES (9, 'checkpoints', '2026-11-30 20:18:33.783112+00', true, '\x8a39ec192c82b9fc81b3bcbd6302b1920b07cc1cc311b4e110cb5aa4943172aa9cf36a27720713d2c48855c926b59467', 2966640);
INSERT INTO public._sqlx_migrations VALUES (10, 'master key', '2026-11-30 20:18:33.78629+00', true, '\x4fc2a192b8e25f2657cf436390159634d26e870962ed0610b15d9a9d5c55074c69a878f056090eb1ef262f0447f27040', 1688400);
INSERT INTO public._sqlx_migrations VALUES (11, 'data keys', '2026-11-30 20:18:33.788087+00', true, '\x7cf4df9a706c7ee1d5c7fe7da77bd77477614b8be4abe4fe43f5a09835743a07c7b15780e444268adf26611e4f09e0bc', 1369965);
INSERT INTO public._sqlx_migrations VALUES (12, 'subjects', '2026-11-30 20:18:33.789613+00', true, '\x908f9a7b1dee496f4b2db3525537ea934a018c4b6ebe742a1e4c394e3862b7e7a6dd56e79d89d2ef66b97838a19cf7d9', 2374256);
INSERT INTO public._sqlx_migrations VALUES (13, 'projection generations', '2026-11-30 20:18:33.792109+00', true, '\x7441606d4bf8b6c1894b6a443c81c9a4d165aa4ba78428520754444f11e63247a1ed081d88bf85295093c16aa4daa59a', 2738816);
INSERT INTO public._sqlx_migrations VALUES (14, 'parked rows', '2026-11-30 20:18:33.795032+00', true, '\x79928ddb136b1003346abc60bf3af650beb25de20d2addb26d970cdc7b9a28446f4f1a9274fe5e262168bc5ef8040e35', 2281597);
INSERT INTO public._sqlx_migrations VALUES (15, 'consumers', '2026-11-30 20:18:33.797445+00', true, '\x0ec16159ebdaa9aa4280a50862c1cd2be87ad0a4122d657fb93960b14e002b5c3f3914dc272c3fd454243308ce726781', 1618613);
INSERT INTO public._sqlx_migrations VALUES (16, 'tokens', '2026-11-30 20:18:33.799205+00', true, '\x659dac5b08e9f636a37e95ed685d55e18f52ac2e1a21d91894a15731e6f8d11b7070bb731df457956e3c99f4972e2c76', 2220664);
INSERT INTO public._sqlx_migrations VALUES (17, 'leases', '2026-11-30 20:18:33.801562+00', true, '\x38549eab62e82a73348b58d5db8ce75eadce428eaf5e789cc469e9069b6662f9de5f269de2d729ad4374a960af249fb5', 1481569);
INSERT INTO public._sqlx_migrations VALUES (18, 'processes', '2026-11-30 20:18:33.803183+00', true, '\x548a30a3f2d75256a47936b82eebba45c9242b85f5be133888c35cee1f8dc41145254cecc0ed21fb2a12b0eb649c46b4', 2078412);
INSERT INTO public._sqlx_migrations VALUES (19, 'append batch', '2026-11-30 20:18:33.80545+00', true, '\xf72be9c2557e0cf66fd1ccf0a432d8ac3fa5ce17e8662ef6785e268f833adfd6cdf9f2aca4c817a4e82a61e0ca165a36', 1073537);



INSERT INTO public.access_g1 VALUES ('54aca9b2ae972e7ecd35af66cf48790c', '{"position":2,"recordedAt":"2026-11-30T20:18:34.029525Z","action":"erase","facts":{"actor":{"id":"admin"},"address":"127.0.0.1","reason":"request 2026-117","subject":"U1"}}', 2, '2026-11-30 20:18:34.029525+00', 'admin', NULL, 'erase', 'granted', NULL, 'request 2026-117', NULL, 'U1', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '127.0.0.1', NULL);
INSERT INTO public.access_g1 VALUES ('cdb0bee4b7e3c429e91bc929c92f1bdd', '{"position":8,"recordedAt":"2026-11-30T20:18:34.081471Z","action":"createToken","facts":{"actor":{"id":"cli:root"},"scopes":["read"],"token":{"createdAt":"2026-11-30T20:18:34.0776Z","hash":"25b5579a3bee46c191324cae745fb927d95bec5a813d19d1bcd15c3ed85b7c36","name":"reader"},"tokenId":"tok_b15576087a5b6853"}}', 8, '2026-11-30 20:18:34.081471+00', 'cli:root', NULL, 'createToken', 'granted', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'tok_b15576087a5b6853', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.access_g1 VALUES ('6879c754ccfc706704f874bcf3e108da', '{"position":10,"recordedAt":"2026-11-30T20:18:34.179321Z","action":"setConsumer","facts":{"actor":{"id":"admin"},"address":"127.0.0.1","consumer":"billing"}}', 10, '2026-11-30 20:18:34.179321+00', 'admin', NULL, 'setConsumer', 'granted', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '127.0.0.1', NULL);
INSERT INTO public.access_g1 VALUES ('abf6b1d343c288757407f816efd0783a', '{"position":9,"recordedAt":"2026-11-30T20:18:34.150797Z","action":"hold","facts":{"actor":{"id":"cli:root"},"reason":"case-4711:court-order","subject":"U2"}}', 9, '2026-11-30 20:18:34.150797+00', 'cli:root', NULL, 'hold', 'granted', NULL, 'case-4711:court-order', NULL, 'U2', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);



INSERT INTO public.accounts_g1 VALUES ('ERG9Y480R2M5H7PXCX9XS0K6VY0S', '{"tellings":[{"stamp":["2026-11-30T20:18:34Z",2,4],"index":2}],"home":0}');
INSERT INTO public.accounts_g1 VALUES ('FZHCRVTWEDMP2ZMMRSVZ63F493F1', '{"tellings":[{"stamp":["2026-11-30T20:18:34Z",2,4],"index":1}],"home":0}');
INSERT INTO public.accounts_g1 VALUES ('LY25R9GK5AHYZ450YPWMNM8K8FXX', '{"tellings":[{"stamp":["2026-11-30T20:18:34Z",2,4],"index":0}],"home":0}');
INSERT INTO public.accounts_g1 VALUES ('M-O1', '{"tellings":[{"stamp":["2026-11-30T20:18:34Z",2,1],"index":0,"parts":["password","email"]}],"home":0}');
INSERT INTO public.accounts_g1 VALUES ('M-O2', '{"tellings":[{"stamp":["2026-11-30T20:18:34Z",2,3],"index":0,"parts":["password","email"]}],"home":0}');



INSERT INTO public.checkpoints OVERRIDING SYSTEM VALUE VALUES (1, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'warmledger/e9335e34ecdb1ccc
0
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

— warmledger/e9335e34ecdb1ccc IbPeg5Gh5zqdSbRNtolcyE8wso0YRITYJgunvc/50HfS4H1rLEg0+Sp/Z6na1xbQ3CDM3T90UI9AZ1UDGVdz0Ba7fAA=
', '2026-11-30 20:18:33.998462+00', 1);
INSERT INTO public.checkpoints OVERRIDING SYSTEM VALUE VALUES (2, 10, '\x994e7286bfdffd6f06ed28dfe26a3bdcacd68e41c9b9edefe97522140afd28f7', 'warmledger/e9335e34ecdb1ccc
10
mU5yhr/f/W8G7Sjf4mo73KzWjkHJue3v6XUiFAr9KPc=

— warmledger/e9335e34ecdb1ccc IbPegy3kX5lxJS5sG3oPdfiIHF+gNTk5D8yRUqreFWmdyrwoAWVUZNww/DzyMwV6QNeP7PyrzM1u59s95uiOY1A2jww=
', '2026-11-30 20:18:35.00486+00', 2);






INSERT INTO public.consumers VALUES ('billing', '{}', 0, '2026-11-30 20:18:34.18129+00', '2026-11-30 20:18:34.18129+00', NULL, 'admin');



INSERT INTO public.data_keys VALUES ('~fingerprint', '\xbb740cc8ee2751a479130d4c745448ec3b96a694aaa1621283e6cd6207e0a5ce314bc7d131fd331fdcf08701de1ebf1dac30160b7230d29bbb697aa532a3b2496c4165c926aaddada1b534629a733825', '2026-11-30 20:18:33.825124+00');
INSERT INTO public.data_keys VALUES ('U2', '\xbb740cc8ee2751a4f5a7bc244ed01e237004de69b6cff6fe05fc4efaad97df5623e696bbe688ec80abdd687620d715c6df30d89d21fec9422abbe319b7b6fd5d0e5b0879636011bd3a7d43f345047099', '2026-11-30 20:18:34.035159+00');
INSERT INTO public.data_keys VALUES ('PWM7Y25RYZ450YNM8K8FX9GK5AHX', '\xbb740cc8ee2751a40181531e2cdc245297ffc02f628eead40c2f6a859c2b4a432f5815903324872d2a1ca6591421f6b0c282de9daa9c10613dd63594b4b9f38108a98974d059331d737a0ac8bd626b88', '2026-11-30 20:18:34.038207+00');



INSERT INTO public.events VALUES (1, 'order-O1', 1, 'coldmailreseller', 'E1', 'MailboxesAssigned', 3, '2026-11-30 20:18:34.01732+00', 'U1', '{"domains":[{"domain":"o1.example","mailboxes":[{"credentials":["password"],"mailboxId":"M-O1","personal":["email"]}],"subscriptionId":"S-O1"}],"orderId":"O1","sentAt":"2026-11-30T20:18:34Z","userId":"U1"}', '\x000b97adbaa72ca4859df6f10bb211e3fb6f2f8ea357e497c7b3605869da53a29cf808ae9b2d23d3f58b140fde25988722276f965a18ae764cae982d2f74cd4243f688e9664b8cc9a6ab32c19a4b74ff1765d0', '\x007020b5a7fd4a9684ae5d55a972926db01de4141aa27be17fc7750da6d93cf4a2759d0cb29201a3235f13515b3a469c3751aad1c19245f9604bacd2e04cee81f3d99163746a5d4a07a88d427f0d934a24', '\x0312c2e37b965200cb30a768dd9461f286722240d96e78003e53026a572d565c40a2aa1531bbe5bb6325f72d33d221eee0a384dc4e1821820b6d57e2cc0cea369265029b8cc7da1fdde841a3d1bb3753bfffd9375728c92afd268e6b5ff962bf734912c369c86421145b18822763e4a9059fa3a6bdbcf465f346626c3026f3698814315cb6e15d2339c6be8198c953ceed486cf94783a2b8a209a87436c97ba7d6c535d93835cfb06ca70bfd3dd283da96ee4739b7ff80c7102c38ce609699be47bcb11faaede7c29af9f98dae063d29b6b37602b7658766f4840770cf7a6188ff3f907d796054d4af1b3f84986b6b7945ca9b89d84830d82de924219dedd5e02b9642df3f938588af902b70a464f9434ba7a3d428a33fcfc4da618aaa6b5de4e894b0d5a74e58b51dc3226e22903c7c5de4c0585d', '\xb52eab993ace8317e953d0819cfc37dd6e556012b36271de53d3f53fb4feb35b');
INSERT INTO public.events VALUES (2, 'access-54aca9b2ae972e7ecd35af66cf48790c', 1, 'warmledger', '54aca9b2ae972e7ecd35af66cf48790c', 'SubjectErased', 1, '2026-11-30 20:18:34.029525+00', 'U1', '{"actor":{"id":"admin"},"address":"127.0.0.1","reason":"request 2026-117","subject":"U1"}', NULL, NULL, NULL, '\x06bd987277d0f2f7edef5ab74202595a2103b3e2ec6cdee1587f08042ca665b3');
INSERT INTO public.events VALUES (3, 'order-O2', 1, 'coldmailreseller', 'E2', 'MailboxesAssigned', 3, '2026-11-30 20:18:34.035159+00', 'U2', '{"domains":[{"domain":"o2.example","mailboxes":[{"credentials":["password"],"mailboxId":"M-O2","personal":["email"]}],"subscriptionId":"S-O2"}],"orderId":"O2","sentAt":"2026-11-30T20:18:34Z","userId":"U2"}', '\x00fee5e5c43cd6ff5489e0d622e381f16f09d28d75ee5336eb2d83888b51dceae5b70ecfd607d43802ea2b7829d516dbeb9a180a25e4d3ae37569cbdccd90b3df493aa44598167b1dd8a7595dc5d1af065fe50', '\x00c749aa6a5606d2de1abb338462fcefd1fc1de1a4207ee8fbd3f7b365ba0959862fba9aed3870dbd47eb4076a8405bd049a803ede5bd514104f994ae1949a2bcbdff380550ad554c27e2ef707ce2734f3', '\x03285955ed6088a91690085a03198eaac6112b7770c157bfdbae7f793dd324f5f8c1fde904ced7303ffa9308f962c4cbe7dcaabee6fec9d6054084abd9b11f8e34e6054dbd71e9e033e1476a31e54153020fa38f7768d4d049b9d71aba9c1ca25270455cdde586cd6c28f1538027261a1bac282c5af74ed1deb9c0d2e193e0390a34bf34fc0302885fee0a9e2fd1545655cb120494e67817b8b5b4d9c7b43dab55b5ab26d91e0c20275a9c4652dd4f2e8a0c07915129ab1eacae5a858994af02942cd4ec6a729cb5d9366ccbaf6e26f6b7e35d459fffc2d44d5954c421e740b894c5747434145ac88e3fcde3de5f6fc9e7b35bd8aa30d3d157506808ee85961c55f065cb7d46ca2cf8ff66f3a5487c74d2c0827347c48cbdceee3fa36f5b70d71396e6f04becab2ba97b79913bc0ba219f7732078c', '\xed97feec57243e9193e159e79e3eb057c885832a78b63a112abea019db5aa50c');
INSERT INTO public.events VALUES (4, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 1, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D76N6', 'MailboxesAssigned', 3, '2026-11-30 20:18:34.038207+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"domains":[{"domain":"example.com","mailboxes":[{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":true,"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FXX","warmingUpFrom":"2025-09-26T08:53:51.641Z"},{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":false,"mailboxId":"FZHCRVTWEDMP2ZMMRSVZ63F493F1","warmingUpFrom":"2025-09-26T09:22:10.123Z"}],"subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2"},{"domain":"example2.com","mailboxes":[{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":true,"mailboxId":"ERG9Y480R2M5H7PXCX9XS0K6VY0S","warmingUpFrom":"2025-09-26T15:19:40.22Z"}],"subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS"}],"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","sentAt":"2026-11-30T20:18:34Z","serviceProvider":"GOOGLE","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', '\x01b8b4d8056ad8c8743ac7976a151f5cb070801d9a7cb293386112c038ffce64e2c4feaa828cf994ee1764be2840eb640ddccb00ffb2bcb5f514f706ec252bbdf9ad8404f3990c4675f457807140ae3d8608eeea47974727f71d0153a7b4a38551a7991efa1526f3b19ff3be43041ffb0e3e1dcd25599ec3879e16d8cba38e1b889a202d9954f2ba9565960257d7d68bdd04fd210cf4897e012eb76e5b8c9a997e01344c49bbf4cd84890f8ad9c4b5d5dbd0639828198cdc363342d91cdabce0f33fba50659f70c4c4d5a8107778e8cccd9c223a7839d31931deb045e5070c91dc8be83a9fc7becc1a09201820b26d0118cd0876b761d5193646b13c3dbe62aa2d45116fafd028c42436109a6a674ae8878ccb67d4ad3a8778df1be4bffc4c1ddc868bf1bb91ae0a971aadb7cca5b3eaa91fc2273e873d52b9327d029614963ad697bf38bd7b2434d3674e33ed7ba77216a5d94310587b29c548c7766d73dca454df3c', '\x000d3a943260848064f9026ece1c384c1626dc0144dd72bad1fc99059e26c1835eaed2d14bb6567a0718db1e184dc52c84c0d331f54639d808d1ad257e9cf50cb1a6e403b81fd725dfd4846f591530ac7b3c290a500b523456104516a888bdcc0dad5e9abe28001182aa992673ff8477468e7bef3c264c0534b6a018ee71eae9a0f0157d9d38a529dcf91daa77eb14622f42adaafb3a8c79df8c2b4f4169f9418d01dfb256c1063ae2038fc1b18848ee16d37389262fa867d1f22ddf9bdd1436d7a518c3dcbb689ec8d13a13fbf8dd3f606dc0c58f76007bae8a8ce7b27cb195bcf94b37d256c4876714cb8b131a4ab56a5cb3d15b', '\x03d380c10963348f2399881a4e081f3f834ef2e45b405f8c95568cd0bcd72a576a848a577bf733d5bbcd9a5887b98963c0a340f2e7d7396c9ac408a2cbec0b2633ef61a907ce0feddd530f7c20bc3be724f1f5520339c05494d7a26cffd66b8bf99046d41c763cfaef3ee0dfcc5c956d3d484a3b0324eafbc98a5bb85c2ed95e0154eb168e15b587d98821f4e518ecbbc7057ea0d7a9fdb234df005909b8017522ecc06db85416cd729147fd48e4a79cf501fbaf25a1d0c140f8e78eac88e214042be18156d3eeac94b5fb3682fde47393a3141f248acf4f7170aa7ffc780678081797225107a8df0e5d314f91d7562b55a1f30dc100fec711a2c106a32693abfea4e383e62edfa03fa41dfa51a75b194f0493c4593ef86899e241276f5b3db2b0ea5d469385f338ac35d7b98c8763bb679cbae9b80dd193ab4c761986bb6bdb13f465ddaa78f7a03d0b3c329144b5b1ccdf76de864327771114381b34923e7516004ad756b9c14ec6a670071b5cbc4d761a8ac8f3e104988192c5ce5bbbed21b33cb8ca7e0997fe29d2578ae9f449923aa76a859874d334fafdffe6f0b6b1b75b9d98cb38a6ce5c300d840a8b4eeae648fd7ef3ae535967cb5f3b541c71e385d6995804e71e6d53e88962933d375a681aff21bac7077888c2c37a5b269e6563cdc0cdee5acfc61fd9decdd252fcaeb2dbcfbedcfa6fb5d12740a53f01752933c4a039fd7f169d47bca9aadca26399a7609f8de288c3b12c0e119d22df36c923885da822490b31cf4dda838e06d98a6d221bc93a8c003226e9af0a0faf0c5501058d1d3c9c3fe6a3f28d325eb08ae5753d55563a851bce0a16e775b6c92b81962178aba09b6a711d6e3510559b12175b13cfd3760e5913bcb62b3cf6a7a32044', '\xcdbee7c53d4c7144f715904b24db00823d8347fd648c753702628d3b77c98e77');
INSERT INTO public.events VALUES (5, 'order-NQ682GAVFTMYC2H6C87PPKPG5WXV', 1, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D7DOM', 'WebhookUnrecognised', 1, '2026-11-30 20:18:34.040939+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"domain":"company.com","name":"domain.order.success","orderId":"NQ682GAVFTMYC2H6C87PPKPG5WXV","sentAt":"2026-11-30T20:18:34Z","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', NULL, NULL, '\x03bbc3576536b91535b0117b033a80190138c1caa9a7ba404f7e9747a8b04074e06afb65875fb82df66dc5a846131200ba3570b247b70d992cb92bfda57114ef19ff97be0808df8ba75fdbec75f3fd25c1cce14fefee01fa0622eaa702ba14fa5d6b15a7d15fb477474577a66068f6c01d71ac45c53dca7386671bf0f4bc2a236d74ba7b3cc44f3763f3c92a7d9d53b63f5e435c78993e70b79dc3f66585a636248e69b06e2e9fdb23a1fd4655c1728452339061c3625496f69892c3b282df65a0264c33e84ebb62fe81588026b69e8b31217ca6fb39e661781c1d7c4d569190ddf3d3691422177b9cf80a0ede51617256731adea751333a5b6b41f6fde98da92e265dcd45c09d8aacf15ff430598d5a4104d6151f263510fac0320f4b15de54723b381a8c96e60483e65c7be36ccbba80faa50efada249cd3bd25057c7c150bebb3fdcdd62ea737d47889e70571fdb37d86a5fc9243d51ddc090a77b46edc90491fe9832478dfe99fbb4fd86cdb6221dbc54e035f368321ad0dd4caf9b1111f427ed43885a0866699f7c68e8583bd4eb32e7bf3dc639324bdb1099aa907a8daa141fb0cf86cbaa55070e30b8549', '\xc72dde798e6ce216e54988d000e0636f24c6434024cae354e819a7c1d142bf9c');
INSERT INTO public.events VALUES (6, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 2, 'coldmailreseller', '7SSHBXWQ3N3JEKHRQ763KW3DREN1', 'SubscriptionRenewing', 1, '2026-11-30 20:18:34.042967+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"autoRenew":true,"domain":"example2.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","periodEnd":"2025-11-27T19:59:17.294Z","periodStart":"2025-10-27T19:59:17.294Z","quantity":1,"sentAt":"2026-11-30T20:18:34Z","serviceProvider":"GOOGLE","subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS","subscriptionStatus":"RENEWING","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', '\x00f3b87fb0c463aff7bd0bd9f9056ae5f5923b5564552c7517fb934b34b899b0739e831ac2fb8211adae77935558d14e03bdb2801b99ee670bf18a09cc76cd6f9650c11801dc2f01439b86b7', NULL, '\x0337ec1e2ec67158ecd940e63e497095f00a35c9f469341df8c7704efed11eca407d01b0dc3cfbe10aa797797560231aa0ce39d83440a45f4817f606d436f62b1adb2bccb015be8ce82f5491cb304226f25d84d2920a40333a43b3c6f867ed70c9768f6add64c136650c589b7d9594346faa59ac1d6ccb696cbb4c0b5e6bd6152e838a6a9b79a98f63380fc6d7754a0ba4e98c8109740eb0d22d4f8511a8f824fdae99879f81ec7f4b37f02aff2ba65c60c88bccc3b919ae7dce1d2cb4c7274708deac0d8f1424301cac6ba92cd6f15b109fb4eab5f64cb2af8443e4e168b1ee8a6ff07ad3f10f8d46c26c62afe42780c8eeba245911b1989e5cccf24fbbada2d0fd9a583e2a81c58873592efbfdbd9375928ab33bcc553962cfc108db21c3c521a9d0afa869c5c68e92c2646fa1c270e00d615eb0afc2ee8bda2df5203442cdc5a48388d3f1ba07a4dce5d6f52361a60721e80be7efb3fbe5044f4bc6cceeb9504a416d5bbdf68d7333ba228adcbf5e3a2b4436731554c4d96308347aa06c7e09c09df4eab7949b4af8f6ecbe5738597b9aeebc3e466bc88a8ea032a1a65f0b2b53a4d2530b5a23df5fd44f8d95d5cf81bf1d4216cb237ba45af165f81f5eb32196', '\x472653e63acec2bc481b2802041ab166f159449c22627c92c4b33373f708ae41');
INSERT INTO public.events VALUES (7, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 3, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D7UNK', 'WebhookUnrecognised', 1, '2026-11-30 20:18:34.045059+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"name":"prewarmup.order.refunded","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","sentAt":"2026-11-30T20:18:34Z","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', NULL, NULL, '\x03c27ca8259e272b5494518247fbf3322407f8048e638fae2ae72b5373aa260b2b2d5b1d1502348e67ff4f6c1efd01385db624b072d17842239db83107d0627a3590f4959e493b348f03d02c6c9a99308c62d67a8c7416c7adf49ff15eb788b14dd4febe46ec633d60da72cd691eb44d3437e10df49c9e45f6c48a2843ef1df2a21038f89b59b0171c18bbc7e97f50b80bd105d79daba6a636dfd6e809e6f8638b66e15eb7595b34a6c08f402b11e58a8ce1cfe5abd29b0e24f7cf7af9b81f677442d45133d04d32870d5f34154c757bb9c6743d10ba68c3d7b33808075e7b23b044506f608e3b1e2ec6c8a3e2fa33ef100a3e8c516239fe7521fc97f349730588f4029317ec2267c41c973c705f76c0ac1d8b7a5bb78184dd1c183af6c3ddbd99360662340ae5755094656aafd90d19d57d46e7fdb91daa35a700e131898ce7c61628c2c6c47afd1f', '\x593645437adde399c40994b53636f2c23a65bce1d57304369a04b0fd55bae393');
INSERT INTO public.events VALUES (8, 'access-cdb0bee4b7e3c429e91bc929c92f1bdd', 1, 'warmledger', 'cdb0bee4b7e3c429e91bc929c92f1bdd', 'TokenCreated', 1, '2026-11-30 20:18:34.081471+00', '~access-cdb0bee4b7e3c429e91bc929c92f1bdd', '{"actor":{"id":"cli:root"},"scopes":["read"],"token":{"createdAt":"2026-11-30T20:18:34.0776Z","hash":"25b5579a3bee46c191324cae745fb927d95bec5a813d19d1bcd15c3ed85b7c36","name":"reader"},"tokenId":"tok_b15576087a5b6853"}', NULL, NULL, NULL, '\x37e14bd4b2e164f275f823bfdc491e074b6623549424a9649556d8f1916fcf26');
INSERT INTO public.events VALUES (9, 'access-abf6b1d343c288757407f816efd0783a', 1, 'warmledger', 'abf6b1d343c288757407f816efd0783a', 'SubjectHeld', 1, '2026-11-30 20:18:34.150797+00', 'U2', '{"actor":{"id":"cli:root"},"reason":"case-4711:court-order","subject":"U2"}', NULL, NULL, NULL, '\xafe7116264c944cd3615c69229167a6851eef0599a0399c8b907c5447f2460cf');
INSERT INTO public.events VALUES (10, 'access-6879c754ccfc706704f874bcf3e108da', 1, 'warmledger', '6879c754ccfc706704f874bcf3e108da', 'ConsumerSet', 1, '2026-11-30 20:18:34.179321+00', '~access-6879c754ccfc706704f874bcf3e108da', '{"actor":{"id":"admin"},"address":"127.0.0.1","consumer":"billing"}', NULL, NULL, NULL, '\x08bfaba47654d1ce515e3dcb86f98c0fe2dc4b0b8a8a21c1d4408d2974103fea');






INSERT INTO public.head VALUES (true, 10, '2026-11-30 20:18:34.179321+00', 10, '\xc339d364f785bbc6061a4b7bb7531ca569b4fe1470a753063d57e0b4aa79a67bf3bc91a51b70f409592d8b73f28d6f98584d754f39efbbbdcdeedb47db2d21c5');



INSERT INTO public.leases VALUES ('projections', '', 1, '2026-11-30 20:18:35.055153+00');
INSERT INTO public.leases VALUES ('checkpoints', '', 1, '2026-11-30 20:18:35.055905+00');



INSERT INTO public.log_origin VALUES (true, 'warmledger/e9335e34ecdb1ccc');



INSERT INTO public.mailboxes_g1 VALUES ('example.com', '{"assignments":[{"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2","newest":["2026-11-30T20:18:34Z",2,4],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T20:18:34.038207Z","position":4}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FXX","isAdmin":true,"warmingUpFrom":"2025-09-26T08:53:51.641Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":0}},{"stamp":0,"mailbox":{"mailboxId":"FZHCRVTWEDMP2ZMMRSVZ63F493F1","isAdmin":false,"warmingUpFrom":"2025-09-26T09:22:10.123Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":1}}]}]}', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'KX9V77PVMFMZH4PTPF2Y99PKYAT2', 2, '2025-11-27 19:59:17.294+00', '2026-11-30 20:18:34.038207+00', '2026-11-30 20:18:34.038207+00');
INSERT INTO public.mailboxes_g1 VALUES ('example2.com', '{"assignments":[{"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS","newest":["2026-11-30T20:18:34Z",2,4],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T20:18:34.038207Z","position":4}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"ERG9Y480R2M5H7PXCX9XS0K6VY0S","isAdmin":true,"warmingUpFrom":"2025-09-26T15:19:40.22Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":2}}]}]}', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'EAG9Q69XN0MBS2GF13K2HEYRTQGS', 1, '2025-11-27 19:59:17.294+00', '2026-11-30 20:18:34.038207+00', '2026-11-30 20:18:34.038207+00');
INSERT INTO public.mailboxes_g1 VALUES ('o1.example', '{"assignments":[{"orderId":"O1","subscriptionId":"S-O1","newest":["2026-11-30T20:18:34Z",2,1],"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T20:18:34.01732Z","position":1}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"M-O1","credentials":["password"],"position":1,"index":0}}]}]}', 'O1', 'U1', NULL, 'S-O1', 1, NULL, '2026-11-30 20:18:34.01732+00', '2026-11-30 20:18:34.01732+00');
INSERT INTO public.mailboxes_g1 VALUES ('o2.example', '{"assignments":[{"orderId":"O2","subscriptionId":"S-O2","newest":["2026-11-30T20:18:34Z",2,3],"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T20:18:34.035159Z","position":3}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"M-O2","credentials":["password"],"position":3,"index":0}}]}]}', 'O2', 'U2', NULL, 'S-O2', 1, NULL, '2026-11-30 20:18:34.035159+00', '2026-11-30 20:18:34.035159+00');



INSERT INTO public.master_key VALUES (true, '\xbb740cc8ee2751a4', '2026-11-30 20:18:33.823563+00');



INSERT INTO public.monthly_mailboxes_g1 VALUES ('GOOGLE/2026-11', '{"webhooks":1,"domains":2,"mailboxes":3}', 'GOOGLE', '2026-11-01', 1, 2, 3);
INSERT INTO public.monthly_mailboxes_g1 VALUES ('UNKNOWN/2026-11', '{"webhooks":2,"domains":2,"mailboxes":2}', 'UNKNOWN', '2026-11-01', 2, 2, 2);



INSERT INTO public.orders_g1 VALUES ('O1', '{"domains":{"o1.example":{"assigned":true,"mailboxes":["M-O1"],"subscriptionId":[[null,["2026-11-30T20:18:34Z",2,1]],"S-O1"]}},"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T20:18:34.01732Z","position":1}}}}', 'U1', NULL, 'fulfilled', NULL, 1, 1, 0, 1, '2026-11-30 20:18:34.01732+00', '2026-11-30 20:18:34.01732+00', 1);
INSERT INTO public.orders_g1 VALUES ('O2', '{"domains":{"o2.example":{"assigned":true,"mailboxes":["M-O2"],"subscriptionId":[[null,["2026-11-30T20:18:34Z",2,3]],"S-O2"]}},"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T20:18:34.035159Z","position":3}}}}', 'U2', NULL, 'fulfilled', NULL, 1, 1, 0, 1, '2026-11-30 20:18:34.035159+00', '2026-11-30 20:18:34.035159+00', 3);
INSERT INTO public.orders_g1 VALUES ('WR3N4JEW3D76N6KGRQSG36SSHBXK', '{"domains":{"example.com":{"assigned":true,"mailboxes":["FZHCRVTWEDMP2ZMMRSVZ63F493F1","LY25R9GK5AHYZ450YPWMNM8K8FXX"],"subscriptionId":[["2025-11-27T19:59:17.294Z",["2026-11-30T20:18:34Z",2,4]],"KX9V77PVMFMZH4PTPF2Y99PKYAT2"]},"example2.com":{"assigned":true,"mailboxes":["ERG9Y480R2M5H7PXCX9XS0K6VY0S"],"subscriptionId":[["2025-11-27T19:59:17.294Z",0],"EAG9Q69XN0MBS2GF13K2HEYRTQGS"]}},"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T20:18:34.038207Z","position":4}}}}', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'fulfilled', NULL, 2, 2, 0, 3, '2026-11-30 20:18:34.038207+00', '2026-11-30 20:18:34.038207+00', 4);









INSERT INTO public.projection_generations VALUES ('access', 1, 1, 10, 'live', '2026-11-30 20:18:34.202529+00', 4, false);
INSERT INTO public.projection_generations VALUES ('accounts', 1, 4, 10, 'live', '2026-11-30 20:18:34.20492+00', 5, false);
INSERT INTO public.projection_generations VALUES ('failures', 1, 1, 10, 'live', '2026-11-30 20:18:34.205128+00', 0, false);
INSERT INTO public.projection_generations VALUES ('mailboxes', 1, 5, 10, 'live', '2026-11-30 20:18:34.205298+00', 4, false);
INSERT INTO public.projection_generations VALUES ('monthly_mailboxes', 1, 1, 10, 'live', '2026-11-30 20:18:34.205431+00', 2, false);
INSERT INTO public.projection_generations VALUES ('orders', 1, 4, 10, 'live', '2026-11-30 20:18:34.205546+00', 3, false);
INSERT INTO public.projection_generations VALUES ('renewals', 1, 5, 10, 'live', '2026-11-30 20:18:34.205661+00', 4, false);



INSERT INTO public.refs VALUES (-5025922416318909538, 1);
INSERT INTO public.refs VALUES (-907827829364758173, 1);
INSERT INTO public.refs VALUES (-509324057018435738, 3);
INSERT INTO public.refs VALUES (8225199525707223841, 3);
INSERT INTO public.refs VALUES (-2736357228461943043, 4);
INSERT INTO public.refs VALUES (-1363135815505028888, 4);
INSERT INTO public.refs VALUES (-447708818221151814, 4);
INSERT INTO public.refs VALUES (2888023198362931935, 4);



INSERT INTO public.renewals_g1 VALUES ('EAG9Q69XN0MBS2GF13K2HEYRTQGS', '{"subscription":{"period":["2025-11-27T19:59:17.294Z","renewing"],"autoRenew":[["2026-11-30T20:18:34Z",4,6],true],"quantity":[0,1]},"assignedTo":[["2025-11-27T19:59:17.294Z",["2026-11-30T20:18:34Z",2,4]],{"domain":"example2.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK"}],"mailboxes":["ERG9Y480R2M5H7PXCX9XS0K6VY0S"],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T20:18:34.038207Z","position":4},"lastAt":"2026-11-30T20:18:34.042967Z"}}}', 'example2.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 1, '2025-11-27 19:59:17.294+00', true, '2025-11-27 19:59:17.294+00', 'renewing', true, NULL, 0, 0, NULL, '2026-11-30 20:18:34.038207+00', '2026-11-30 20:18:34.042967+00');
INSERT INTO public.renewals_g1 VALUES ('KX9V77PVMFMZH4PTPF2Y99PKYAT2', '{"subscription":{"period":["2025-11-27T19:59:17.294Z","active"]},"assignedTo":[["2025-11-27T19:59:17.294Z",["2026-11-30T20:18:34Z",2,4]],{"domain":"example.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK"}],"mailboxes":["FZHCRVTWEDMP2ZMMRSVZ63F493F1","LY25R9GK5AHYZ450YPWMNM8K8FXX"],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T20:18:34.038207Z","position":4}}}}', 'example.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 2, '2025-11-27 19:59:17.294+00', true, '2025-11-27 19:59:17.294+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 20:18:34.038207+00', '2026-11-30 20:18:34.038207+00');
INSERT INTO public.renewals_g1 VALUES ('S-O1', '{"subscription":{"undatedActive":true},"assignedTo":[[null,["2026-11-30T20:18:34Z",2,1]],{"domain":"o1.example","orderId":"O1"}],"mailboxes":["M-O1"],"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T20:18:34.01732Z","position":1}}}}', 'o1.example', 'O1', 'U1', NULL, 1, NULL, false, '9999-12-30 00:00:00+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 20:18:34.01732+00', '2026-11-30 20:18:34.01732+00');
INSERT INTO public.renewals_g1 VALUES ('S-O2', '{"subscription":{"undatedActive":true},"assignedTo":[[null,["2026-11-30T20:18:34Z",2,3]],{"domain":"o2.example","orderId":"O2"}],"mailboxes":["M-O2"],"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T20:18:34.035159Z","position":3}}}}', 'o2.example', 'O2', 'U2', NULL, 1, NULL, false, '9999-12-30 00:00:00+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 20:18:34.035159+00', '2026-11-30 20:18:34.035159+00');



INSERT INTO public.signing_keys OVERRIDING SYSTEM VALUE VALUES (1, 'warmledger/e9335e34ecdb1ccc+21b3de83+AVaPpVMcfXTScUDRrpZP88Cxn1VvwjqHmyUUlfwbp4Yx', '2026-11-30 20:18:33.997032+00');



INSERT INTO public.subjects VALUES ('U1', NULL, 2);
INSERT INTO public.subjects VALUES ('U2', 9, NULL);



INSERT INTO public.tokens VALUES ('tok_b15576087a5b6853', 'reader', 'read', '\x25b5579a3bee46c191324cae745fb927d95bec5a813d19d1bcd15c3ed85b7c36', '2026-11-30 20:18:34.0776+00', NULL, NULL, NULL);






SELECT pg_catalog.setval('public.checkpoints_id_seq', 2, true);



SELECT pg_catalog.setval('public.signing_keys_id_seq', 1, true);



ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);



ALTER TABLE ONLY public.access_g1
    ADD CONSTRAINT access_g1_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.accounts_g1
    ADD CONSTRAINT accounts_g1_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_number_key UNIQUE (number);



ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.clock_steps
    ADD CONSTRAINT clock_steps_pkey PRIMARY KEY ("position");



ALTER TABLE ONLY public.consumers
    ADD CONSTRAINT consumers_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.data_keys
    ADD CONSTRAINT data_keys_pkey PRIMARY KEY (subject);



ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY ("position");



ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_source_event_id_key UNIQUE (source, event_id);



ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_stream_version_key UNIQUE (stream, version);



ALTER TABLE ONLY public.failures_g1
    ADD CONSTRAINT failures_g1_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.head
    ADD CONSTRAINT head_pkey PRIMARY KEY (only_row);



ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (duty);



ALTER TABLE ONLY public.log_origin
    ADD CONSTRAINT log_origin_pkey PRIMARY KEY (only_row);



ALTER TABLE ONLY public.mailboxes_g1
    ADD CONSTRAINT mailboxes_g1_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.master_key
    ADD CONSTRAINT master_key_pkey PRIMARY KEY (only_row);



ALTER TABLE ONLY public.monthly_mailboxes_g1
    ADD CONSTRAINT monthly_mailboxes_g1_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.orders_g1
    ADD CONSTRAINT orders_g1_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.parked_rows
    ADD CONSTRAINT parked_rows_pkey PRIMARY KEY (name, generation, key);



ALTER TABLE ONLY public.processes
    ADD CONSTRAINT processes_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.projection_generations
    ADD CONSTRAINT projection_generations_pkey PRIMARY KEY (name, generation);



ALTER TABLE ONLY public.renewals_g1
    ADD CONSTRAINT renewals_g1_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_verifier_key UNIQUE (verifier);



ALTER TABLE ONLY public.subjects
    ADD CONSTRAINT subjects_pkey PRIMARY KEY (subject);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_hash_key UNIQUE (hash);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.tree_nodes
    ADD CONSTRAINT tree_nodes_pkey PRIMARY KEY (level, number);



CREATE INDEX access_g1_action ON public.access_g1 USING btree (action);



CREATE INDEX access_g1_actor ON public.access_g1 USING btree (actor);



CREATE INDEX access_g1_domain ON public.access_g1 USING btree (domain);



CREATE INDEX access_g1_mailbox_id ON public.access_g1 USING btree (mailbox_id);



CREATE INDEX access_g1_order_id ON public.access_g1 USING btree (order_id);



CREATE INDEX access_g1_position ON public.access_g1 USING btree ("position");



CREATE INDEX access_g1_recorded_at ON public.access_g1 USING btree (recorded_at);



CREATE INDEX access_g1_subject ON public.access_g1 USING btree (subject);



CREATE INDEX checkpoints_size ON public.checkpoints USING btree (size, id);



CREATE INDEX events_erasures ON public.events USING btree (subject, "position") WHERE (type = 'SubjectErased'::text);



CREATE INDEX failures_g1_day ON public.failures_g1 USING btree (day);



CREATE INDEX failures_g1_domain ON public.failures_g1 USING btree (domain);



CREATE INDEX failures_g1_position ON public.failures_g1 USING btree ("position");



CREATE INDEX failures_g1_user_id ON public.failures_g1 USING btree (user_id);



CREATE INDEX mailboxes_g1_user_id ON public.mailboxes_g1 USING btree (user_id);



CREATE INDEX monthly_mailboxes_g1_month ON public.monthly_mailboxes_g1 USING btree (month);



CREATE INDEX monthly_mailboxes_g1_service_provider ON public.monthly_mailboxes_g1 USING btree (service_provider);



CREATE INDEX orders_g1_first_position ON public.orders_g1 USING btree (first_position);



CREATE INDEX orders_g1_status ON public.orders_g1 USING btree (status) WHERE (status <> 'fulfilled'::text);



CREATE INDEX orders_g1_user_id ON public.orders_g1 USING btree (user_id);



CREATE UNIQUE INDEX projection_generations_building ON public.projection_generations USING btree (name) WHERE (state = 'building'::text);



CREATE UNIQUE INDEX projection_generations_live ON public.projection_generations USING btree (name) WHERE (state = 'live'::text);



CREATE INDEX refs_ref ON public.refs USING hash (ref);



CREATE INDEX renewals_g1_domain ON public.renewals_g1 USING btree (domain);



CREATE INDEX renewals_g1_due ON public.renewals_g1 USING btree (due);



CREATE INDEX renewals_g1_status ON public.renewals_g1 USING btree (status) WHERE (status <> 'active'::text);



CREATE INDEX renewals_g1_user_id ON public.renewals_g1 USING btree (user_id);



CREATE TRIGGER checkpoints_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON public.checkpoints FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_proof();



CREATE TRIGGER data_keys_under_current AFTER INSERT ON public.data_keys REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_old_master_key();



CREATE TRIGGER events_immutable BEFORE DELETE OR UPDATE ON public.events FOR EACH ROW EXECUTE FUNCTION public.refuse_change();



CREATE TRIGGER events_not_truncated BEFORE TRUNCATE ON public.events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();



CREATE TRIGGER events_of_subjects AFTER INSERT ON public.events FOR EACH ROW WHEN ((new.type = ANY (ARRAY['SubjectErased'::text, 'SubjectHeld'::text, 'SubjectReleased'::text]))) EXECUTE FUNCTION public.follow_subject_event();



CREATE TRIGGER head_steps_back AFTER UPDATE ON public.head FOR EACH ROW WHEN (((new.recorded_at < old.recorded_at) AND (new."position" > old."position"))) EXECUTE FUNCTION public.note_clock_step();



CREATE TRIGGER log_origin_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON public.log_origin FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_proof();



CREATE TRIGGER signing_keys_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON public.signing_keys FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_proof();



CREATE TRIGGER tree_nodes_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON public.tree_nodes FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_proof();



ALTER TABLE ONLY public.parked_rows
    ADD CONSTRAINT parked_rows_name_generation_fkey FOREIGN KEY (name, generation) REFERENCES public.projection_generations(name, generation) ON DELETE CASCADE;




