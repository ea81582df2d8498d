


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



CREATE TABLE public.stream_snapshots (
    stream text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    state bytea NOT NULL
)
WITH (fillfactor='70');



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



INSERT INTO public._sqlx_migrations VALUES (1, 'events', '2026-11-30 18:01:32.35255+00', true, '\x5bdb695a907f8e2b3ed2e462111c8b63ff69d11f498b6a60db302c0693c2b03982da9b7c84da5dbbadeee78dc5f7f3a3', 15607463);
INSERT INTO public._sqlx_migrations VALUES (2, 'refs', '2026-11-30 18:01:32.36878+00', true, '\xbad99391a1e270ce93f743591f9c60bb3f6fee68c0cccf365c91170c6a3634d0aed79765e8998b445c30c8dd18c8fe49', 1441133);
INSERT INTO public._sqlx_migrations VALUES (3, 'head', '2026-11-30 18:01:32.371103+00', true, '\x04b12e530fce06c8c66404c6f5c10446493df4db78c12a5a5945c698e325492ba077da6a02f0e392112765608104e07e', 6245018);
INSERT INTO public._sqlx_migrations VALUES (4, 'clock steps', '2026-11-30 18:01:32.377558+00', true, '\xac313df9b29d42b494dd22033d3090d789dd7e749d5798f5872a54b11c1463034670ee17a7cfc901df7cb1cd65085cbb', 5813158);
INSERT INTO public._sqlx_migrations VALUES (5, 'refuse change of proof', '2026-11-30 18:01:32.383659+00', true, '\x2457bc9d92da22cf0929ecb2229fe594e192ba2a9526d23764298de9a7b263104a4877e582bca3878dca4f1eafb6293f', 752035);
INSERT INTO public._sqlx_migrations VALUES (6, 'tree nodes', '2026-11-30 18:01:32.384583+00', true, '\xab93f6254ba1ab78043fb11b9c8390a541f0f30def2bffb7fe182ff36ba15d601c1c0a883f9c90c9f659743fd365e9cc', 2027819);
INSERT INTO public._sqlx_migrations VALUES (7, 'log origin', '2026-11-30 18:01:32.386833+00', true, '\x1ab920d39e9dac58df5723fde723e0e65557f551fc2736edfebff54212b87ba4235ea9072375d26a32ac8c0a52790c3e', 1938366);
INSERT INTO public._sqlx_migrations VALUES (8, 'signing keys', '2026-11-30 18:01:32.391188+00', true, '\xd374531a9c21ce66b99ff70d9a261259980698173ef6caaa90205757b04560db78924158a5cad3e62de03701a0296260', 12438078);
INSERT INTO public._sqlx_migrations VALUES (9, 'checkpoints', '2026-11-30 18:01:32.403793+00', true, '\x8a39ec192c82b9fc81b3bcbd6302b1920b07cc1cc311b4e110cb5aa4943172aa9cf36a27720713d2c48855c926b59467', 3124375);
INSERT INTO public._sqlx_migrations VALUES (10, 'master key', '2026-11-30 18:01:32.407148+00', true, '\x4fc2a192b8e25f2657cf436390159634d26e870962ed0610b15d9a9d5c55074c69a878f056090eb1ef262f0447f27040', 1611041);
INSERT INTO public._sqlx_migrations VALUES (11, 'data keys', '2026-11-30 18:01:32.409112+00', true, '\x7cf4df9a706c7ee1d5c7fe7da77bd77477614b8be4abe4fe43f5a09835743a07c7b15780e444268adf26611e4f09e0bc', 1705914);
INSERT INTO public._sqlx_migrations VALUES (12, 'subjects', '2026-11-30 18:01:32.41511+00', true, '\x908f9a7b1dee496f4b2db3525537ea934a018c4b6ebe742a1e4c394e3862b7e7a6dd56e79d89d2ef66b97838a19cf7d9', 6726350);
INSERT INTO public._sqlx_migrations VALUES (13, 'projection generations', '2026-11-30 18:01:32.417994+00', true, '\x7441606d4bf8b6c1894b6a443c81c9a4d165aa4ba78428520754444f11e63247a1ed081d88bf85295093c16aa4daa59a', 2737433);
INSERT INTO public._sqlx_migrations VALUES (14, 'parked rows', '2026-11-30 18:01:32.420961+00', true, '\x79928ddb136b1003346abc60bf3af650beb25de20d2addb26d970cdc7b9a28446f4f1a9274fe5e262168bc5ef8040e35', 6190297);
INSERT INTO public._sqlx_migrations VALUES (15, 'consumers', '2026-11-30 18:01:32.427513+00', true, '\x0ec16159ebdaa9aa4280a50862c1cd2be87ad0a4122d657fb93960b14e002b5c3f3914dc272c3fd454243308ce726781', 1844187);
INSERT INTO public._sqlx_migrations VALUES (16, 'tokens', '2026-11-30 18:01:32.4295+00', true, '\x659dac5b08e9f636a37e95ed685d55e18f52ac2e1a21d91894a15731e6f8d11b7070bb731df457956e3c99f4972e2c76', 5963399);
INSERT INTO public._sqlx_migrations VALUES (17, 'leases', '2026-11-30 18:01:32.435635+00', true, '\x38549eab62e82a73348b58d5db8ce75eadce428eaf5e789cc469e9069b6662f9de5f269de2d729ad4374a960af249fb5', 3746899);
INSERT INTO public._sqlx_migrations VALUES (18, 'processes', '2026-11-30 18:01:32.439581+00', true, '\x548a30a3f2d75256a47936b82eebba45c9242b85f5be133888c35cee1f8dc41145254cecc0ed21fb2a12b0eb649c46b4', 2038621);
INSERT INTO public._sqlx_migrations VALUES (19, 'stream snapshots', '2026-11-30 18:01:32.441767+00', true, '\x4fcaef91d61343bad9c01bd0780708f13901f59f183a1aae68060b58deb20a68f87821433b74f6b525ab651aaee7bd08', 5433176);
INSERT INTO public._sqlx_migrations VALUES (20, 'append batch', '2026-11-30 18:01:32.447485+00', true, '\xf72be9c2557e0cf66fd1ccf0a432d8ac3fa5ce17e8662ef6785e268f833adfd6cdf9f2aca4c817a4e82a61e0ca165a36', 1447375);



INSERT INTO public.access_g1 VALUES ('7f3eed8749a5c67443ba1488fe7ea9bf', '{"position":2,"recordedAt":"2026-11-30T18:01:32.927541Z","action":"erase","facts":{"actor":{"id":"admin"},"address":"127.0.0.1","reason":"request 2026-117","subject":"U1"}}', 2, '2026-11-30 18:01:32.927541+00', 'admin', NULL, 'erase', 'granted', NULL, 'request 2026-117', NULL, 'U1', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '127.0.0.1', NULL);
INSERT INTO public.access_g1 VALUES ('5ab7a76c5e1b90dce440222127561bab', '{"position":8,"recordedAt":"2026-11-30T18:01:33.063699Z","action":"createToken","facts":{"actor":{"id":"cli:root"},"scopes":["read"],"token":{"createdAt":"2026-11-30T18:01:33.045826Z","hash":"c58d0d40f674e7763cac79386de3f3d0e63164b8219deab629a598edbeea6f4f","name":"reader"},"tokenId":"tok_7b90fc9684d0931a"}}', 8, '2026-11-30 18:01:33.063699+00', 'cli:root', NULL, 'createToken', 'granted', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'tok_7b90fc9684d0931a', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.access_g1 VALUES ('51d71012b0ee9e2a6d4a9e81e5be1f1e', '{"position":9,"recordedAt":"2026-11-30T18:01:33.226534Z","action":"hold","facts":{"actor":{"id":"cli:root"},"reason":"case-4711:court-order","subject":"U2"}}', 9, '2026-11-30 18:01:33.226534+00', 'cli:root', NULL, 'hold', 'granted', NULL, 'case-4711:court-order', NULL, 'U2', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.access_g1 VALUES ('7979ed9baf86870d7be77053f7d488bb', '{"position":10,"recordedAt":"2026-11-30T18:01:33.292521Z","action":"setConsumer","facts":{"actor":{"id":"admin"},"address":"127.0.0.1","consumer":"billing"}}', 10, '2026-11-30 18:01:33.292521+00', 'admin', NULL, 'setConsumer', 'granted', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '127.0.0.1', NULL);



INSERT INTO public.accounts_g1 VALUES ('ERG9Y480R2M5H7PXCX9XS0K6VY0S', '{"tellings":[{"stamp":["2026-11-30T18:01:32Z",2,4],"index":2}],"home":0}');
INSERT INTO public.accounts_g1 VALUES ('FZHCRVTWEDMP2ZMMRSVZ63F493F1', '{"tellings":[{"stamp":["2026-11-30T18:01:32Z",2,4],"index":1}],"home":0}');
INSERT INTO public.accounts_g1 VALUES ('LY25R9GK5AHYZ450YPWMNM8K8FXX', '{"tellings":[{"stamp":["2026-11-30T18:01:32Z",2,4],"index":0}],"home":0}');
INSERT INTO public.accounts_g1 VALUES ('M-O1', '{"tellings":[{"stamp":["2026-11-30T18:01:32Z",2,1],"index":0,"parts":["password","email"]}],"home":0}');
INSERT INTO public.accounts_g1 VALUES ('M-O2', '{"tellings":[{"stamp":["2026-11-30T18:01:32Z",2,3],"index":0,"parts":["password","email"]}],"home":0}');



INSERT INTO public.checkpoints OVERRIDING SYSTEM VALUE VALUES (1, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'warmledger/ea984c70f29b2ca8
0
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

— warmledger/ea984c70f29b2ca8 SRIY0X8pJpOBF3gK6b7Y7PCGuj/UIOxV8hw4Q2cuaegQJvG9Nx/d8k1GlR3shsxPojvIuTbBoFrY16cMpK5kNtJxvQE=
', '2026-11-30 18:01:32.872137+00', 1);
INSERT INTO public.checkpoints OVERRIDING SYSTEM VALUE VALUES (2, 10, '\x67c41b853571a5d46043ff453eb26614433cffe2a6715091dd2913298cda4f16', 'warmledger/ea984c70f29b2ca8
10
Z8QbhTVxpdRgQ/9FPrJmFEM8/+KmcVCR3SkTKYzaTxY=

— warmledger/ea984c70f29b2ca8 SRIY0aCkVlhYSacTuIetJJbq5mn5a9OrAuzcnbjqmwxdxluvb9rNUrRkWVKBJRqSZLjusYXYhyby2Ond8roe6SNGZgY=
', '2026-11-30 18:01:33.915548+00', 2);






INSERT INTO public.consumers VALUES ('billing', '{}', 0, '2026-11-30 18:01:33.298602+00', '2026-11-30 18:01:33.298602+00', NULL, 'admin');



INSERT INTO public.data_keys VALUES ('~fingerprint', '\xbb740cc8ee2751a4dcc57b2fc314a8656fc6d5a08196e31cd17ebd990534b04217a8201292e7381d454badda8ae87a141b70d175a9edb2f17f6ff8b034730b25f863b8372deeb55f805d98abd761a827', '2026-11-30 18:01:32.47801+00');
INSERT INTO public.data_keys VALUES ('U2', '\xbb740cc8ee2751a46584736e329fa06380fe9d9bb01ae3485fd22b4ba25d4318498abefd127de0c2122f2863033f1c1a952392cc284f8e66f6146f9c6985a8eacaca8828b11a9577867442f027ed17d5', '2026-11-30 18:01:32.934893+00');
INSERT INTO public.data_keys VALUES ('PWM7Y25RYZ450YNM8K8FX9GK5AHX', '\xbb740cc8ee2751a423d1d7cdd8a84e3f1bc7bae512a2761fe5928a13ee6305dec0e32e95eed18cd3e0178c2afa85379196f71c21a474755b32714ca7cc3e2e541428bef0bc35b6aacc9e137950189cfa', '2026-11-30 18:01:32.938087+00');



INSERT INTO public.events VALUES (1, 'order-O1', 1, 'coldmailreseller', 'E1', 'MailboxesAssigned', 3, '2026-11-30 18:01:32.909712+00', 'U1', '{"domains":[{"domain":"o1.example","mailboxes":[{"credentials":["password"],"mailboxId":"M-O1","personal":["email"]}],"subscriptionId":"S-O1"}],"orderId":"O1","sentAt":"2026-11-30T18:01:32Z","userId":"U1"}', '\x0008891735cd13ee374bd268b633722bf6567db4f8cc85db9b338fee897e76c21b2f93bd9583e1a6664732517179ba1cc0009559a236111e42db6a7cd8130c65e80892ebca5f65f90f1aacd1093a52644d9b01', '\x00faefd2fb21c6db1037041410e59082ecbe013d42aaed7bb2f54d9a65ea56f96efcfca7b7ce8edfc800ff512d7e086f42039c2e093093ab4c355daa92d31f3bf2fb599afe1bec51ab2e37b8168c11c451', '\x0378e02c2ba469bc2a17fb03d8258fd9e8b2a6c8f2c5ff4cae35845dd2f635b8ce1836a4decec6dc36d25200cc82a2cdc856703064a64d5c40ebae456d11e774b6b487ca99890a707c4cf1cd864365fd02cb95e9c2655a60b73f3db442bc551c56a5b835e62123ef69a13054ec17c7d7ee18d479d72c61a70f892cba09c1f993f9e3a837b9d3fc16a2ebbbd77d31cf1864704e565fe266774a30b295bc50fa15da985b4918e8fa30b6b68e39979117aacf8fe0915d539e92d53056e556aec45f3a7c2e29b470ff5e1786f9c46715bf6539ccd027b4c6bf54641b7d5b692b86550f8ff84583e4afa33eb4ab8f3f1820a42e6dc7605b9c2191c890bf7216371eb8c017d993fee019c1bad37ff4b4d38f6cf39180b2ac1388f0311735e1db441681ec0c8ca2dcafd1827360838827b2e0f1aec5fa', '\xfc4c76fc5ea46c5f4fd43e88b77c15cf59324951f4eed26ac1b9cfa3a85d89a2');
INSERT INTO public.events VALUES (2, 'access-7f3eed8749a5c67443ba1488fe7ea9bf', 1, 'warmledger', '7f3eed8749a5c67443ba1488fe7ea9bf', 'SubjectErased', 1, '2026-11-30 18:01:32.927541+00', 'U1', '{"actor":{"id":"admin"},"address":"127.0.0.1","reason":"request 2026-117","subject":"U1"}', NULL, NULL, NULL, '\x932f4aa801c6c7e70e6933be11545afb92bd51ba7487dbf302b25f18b740e580');
INSERT INTO public.events VALUES (3, 'order-O2', 1, 'coldmailreseller', 'E2', 'MailboxesAssigned', 3, '2026-11-30 18:01:32.934893+00', 'U2', '{"domains":[{"domain":"o2.example","mailboxes":[{"credentials":["password"],"mailboxId":"M-O2","personal":["email"]}],"subscriptionId":"S-O2"}],"orderId":"O2","sentAt":"2026-11-30T18:01:32Z","userId":"U2"}', '\x0034b34de36e14750673268986048bb573343a8c324e76e23d4da5ae5a75411cac2fb62ad4a4960d57e1489f07741d3d8f5eed6e9225ba7bac2c111edd42e0f68b60d2c298df9060c02c459dd22d22ff317619', '\x00791ffaa79dcd174ed4605b31b102af2083ae2ac59cb25111cdda5f0f7870668046302b7b5e153d1cba2f07c8c708b7c50efe726de1efa1bbb1412adddf2bb44d2242b6d262821efd7bf9699fe6bbb4a6', '\x03e0bf75e7e124ddc712160a30af8c3b080fad84574bef1695e9cf6fd63841f213683ec03cd09e3ca5e36998dab8be3683d97e3713caad7f6b900531fdb90c16c67ab8e0f77375e566d9f7fc0d95cbbfd9842e7ee8d5cabcc5d2351be7e526cca68b1e9dab6cf60d1d3c41513b8dc7046fe3d063c908cf7b9fdeb528bf12ae8e7d88bf2a1c1714c1b11fab19fffecc0d7ccbaaa713817dff9c28d82432bc3a791823462faa53d9c23346b95b32da3585ea0e3200ac207aba44d89dfe6496558e6a56bc48a72bcfe9e47453ac0ebac748bcdea8816691e06becc8dce4fa3ca649cdb6c66ac5a50ed1c30e877583fe77ab2512927152d3a2e45705b796d2f7ab3d4ba6f9527a261c832665a75ce987552bc3e669195b1a52865f713a214199a3299d7da6d4c4e6136d56727acb25520052522f0b5c4e', '\x885c0970d94dbd0a6f0f4d4749482e1f10377488ef7fe85a1dc3955db81ccba0');
INSERT INTO public.events VALUES (4, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 1, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D76N6', 'MailboxesAssigned', 3, '2026-11-30 18:01:32.938087+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"domains":[{"domain":"example.com","mailboxes":[{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":true,"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FXX","warmingUpFrom":"2025-09-26T08:53:51.641Z"},{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":false,"mailboxId":"FZHCRVTWEDMP2ZMMRSVZ63F493F1","warmingUpFrom":"2025-09-26T09:22:10.123Z"}],"subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2"},{"domain":"example2.com","mailboxes":[{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":true,"mailboxId":"ERG9Y480R2M5H7PXCX9XS0K6VY0S","warmingUpFrom":"2025-09-26T15:19:40.22Z"}],"subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS"}],"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","sentAt":"2026-11-30T18:01:32Z","serviceProvider":"GOOGLE","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', '\x01b5d408d7c1e09ef9aa689c80c23a329b31d3fe1010fbad59b2a05743cd31fe129190898e51420145aeff8b457826afa03fae9e54102a062a7eaa0e1a7f50c228a41b6222a7d2f0d794e95966ef9bbc28756a0d564176a7d57489e0409d064169bf33485617486340d0b619c584da09d9750d8d4bdf19d4087a6b0635317fcde5cf9df4ff7ada958befbb4597df2ee919b7c914ca7e4fe4ac4e67be067af10aa42275bb184d492cefc6e3f1ab2a1d6487437aee5d91fc8a1ef396d8fe014bc25d8b609704bab52563e04dee7bd4e2a134b042da0f58fd8b717ca90472e4f6d9b9c942e5525cd19c6e84ad5946c8a99a4b031ed1147ceb103ad4b4e7654b811847337dc69932cf5b7f4b5fc19658389179bca8f2854be81f81148dae302f73a492bd235fc10f547c5403e43f723b6ab9d6b7a1139097f0bebf02179aa54bb6961b7d27d309a5cdfdc72c8289358d6fe64c3e373fe16d41b16ef6774db8d73ba5e262e0', '\x005a1b2629cd9e8654721255291a4c7d2952a92603dfef0777d1b16a2e9d084ed128a7bf2c7813491482b4e319da255af8aaf41043927f275423414f2df2a65c961c7a786534a20c37d5219f8c04884abd27530740351b24740ad744dbf2726563742796ebd7f64acf7a23568c271182538de385fe07764b755a3f520bc82ef19f307828e87e3cd41879f27cab18da4699de208402329eff6ff0a0cfd86c5143635d083521f034b2a150d1d7b4b0ea0baef1dcd1a933a6c6d79b304811f2b3e42d90be2c224f3f800e31f41128448286c3370565342963e306bd34f02deaeed2e7a6e14054b29e5f442173a593e8cf81e0cd1c0cc5', '\x0364460c7cf74f9e1f7d7ecbd1a383dbb0f5f65d22651fb002bdddca5f8e5e8d67209a5526eaaec5ea1f3ae0de52f2beb65b0135b3629dfece8604250479eb6816dc7e008b43bba06e1bbdce014ce2f7ca19a709cbbc859a296fd33728cadabcb04ef1f06e7a5a8ca8eef3a48daa551cd69bedd5bb9d710a18d3e55ad678994f00f6b9f1fe560d80b69d92b0cac1786050437ea6a52b475781d0eb1bebe78d6feaf54ee974365052d1a58fb3c3ac74a34cfb01de19791b66f4bd9f351293a7ed5125d0a54cc71d3f6a32fbf3f4a4117fbec78a3d17e2657103bb302a8ecbcfd51ec360028fa9bdefe4a835ef25c98fc18a05e6487d18a1080f354fb0db9377ea71013176f518fb24c76fc7fe285c1fcd744c948e8735d1ca3a89dbb7322b14b7ce9d0c9f9aa01a2829ba630809a15492e0626ad4df26799064fc0e45709810948e533c984c71da1822ed3ff45965c2cc1ca99dcaa023b8575aecab73f1369c463e0cabb8d17628b2e53109e5e49c14a0b05eeeec1bee18964927bed59de3cc499fcfa589809a7d5eddd75d3ce4e5256bfacdd3bd1c3d303e41fe9149b6c92f8a177051e0a023a0a4f34f6924a375f0d9217ee7cea3a4d00883c2c5adea5f7d910615ec17e57d2b76d6f8664439733d782599b98df8da80cad91c05052383d1fa6618bfacdb69bed6ee0c257b13ab86eb7f90d5935a597d742f7013fdd77260c585060225f12352c426233b2c27b7d61a1475512bc71dd7b00bd6e81a5473b94972e02436eabceb63554bee94f211d2f2160a45589699c921270a538d04727967f0fac0a05624e0e6be37e6fe48daeeffcdf330a5aadcb0cb3673147f21a16a533716fc210e553dbea54e3c78a5b20612eaa79cff36c866431ff4a97db78c9686', '\x2a30880ebdc989ec937bf7dbfd9ec67b66e687e86d76d70539ccd0202c6df232');
INSERT INTO public.events VALUES (5, 'order-NQ682GAVFTMYC2H6C87PPKPG5WXV', 1, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D7DOM', 'WebhookUnrecognised', 1, '2026-11-30 18:01:32.945473+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"domain":"company.com","name":"domain.order.success","orderId":"NQ682GAVFTMYC2H6C87PPKPG5WXV","sentAt":"2026-11-30T18:01:32Z","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', NULL, NULL, '\x0345696ea3f5a4fd138b89d000dc5eec70fd27240c0707949977b611113d729e9f4536a12647571497257c77befde9af2d4c9586f484e6c7305be2797d24072b2a8c954dd70a140b8b48a57a8aa484c30589561b0309e603dfa78d892a2fbf3efab13d1b8b170b7c49540fe1aa110f2d024c4163533afa1cf9bb7528dc4d8a78f601e9486c237c63c79e4708290df1a1403c105b7410f472cd1c21f63a415253184015d3711b1a6eb66fcde2358c0a66057ba18b3986bb6f1a8051eee331f1035b344cf752e16017e95daf31c996c4f2ebe499a7d1704d2adbb7b44dd37ab45d86ef78a434dd31637be08b1c0f19eb3296752ca9bab689c4a478c55f371bdd4af5b3145f7015374f6e6beda0af70dec97e281d0b7a1aab73d82124f8b3ec9229e129f07283b90bb1aebde3b96065cbbe2bb767542e0890addee0babfb29ce07e74a2889e914b541383030066e10a2dcb423ff5ab5be3993bdaedb3f53bf7640ad7fe3e34a7334fd213ab1b78d75924686a5b59a1be11927a7d87e010b117294b98bcb3fa8bd0a1df8a34ef01c0795815a792376b85625ac4be594e79393ec24af507b444d215546b15c23433bc00fd', '\x0bed06505b68ac77212b727f9e27ceb4f35bfda250c798599b1cb40ebfb3e055');
INSERT INTO public.events VALUES (6, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 2, 'coldmailreseller', '7SSHBXWQ3N3JEKHRQ763KW3DREN1', 'SubscriptionRenewing', 1, '2026-11-30 18:01:32.955537+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"autoRenew":true,"domain":"example2.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","periodEnd":"2025-11-27T19:59:17.294Z","periodStart":"2025-10-27T19:59:17.294Z","quantity":1,"sentAt":"2026-11-30T18:01:32Z","serviceProvider":"GOOGLE","subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS","subscriptionStatus":"RENEWING","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', '\x004821c06844eee31a0811b16ac0affb505d322cbf42fb471d4ee6f8f230cb9305fbb5326d724f117ed1be3fff9a37fdc66536fdd59c08c091c0f2cd67dce86f86679053cd447d07523da6ee', NULL, '\x03e03fac361f5ab33c70521c6dd3872440badebc76d656a3b7445a3ea4b50ed54010d6acabc01c02b51261838597bd77420d329e5f6b79dc66c331d8dd380ad2c6b9c8e1c1ca436f62a6a911d5329f91e8fd9442119672cfe3a6099b0dc48916e6f476ae353cc2960bf3e4ac4170a17a59e21491b74fb1309d3f2d2a2cc1003c35e345969a501de790bd15f696927a86881e646b23fb6610c3e793fd8e8e3d22ede8f7ba7c6b1069be63ab9cd555818c3dce1bd9837d8d44c7da8de345039311612f0af8cfd8dafdb561a6398a7b1bbf26394ffd3052d0ed02d76494e5ac2a8b32299ae18340c189f66cb5dc6034ca5626264805a123c53b5516927a2bacf8b427d8af51aadad3609f6744077ebc2247ba4a04138b152cd6f9c745814657bc7f8bf2eda8876022822049cb7995f7402d52b713f79a68aef0c548a7311ace31a6b8e262f6345a0a1524d63201d96708a805c29d18589887d172ffa210905b426e7d423b799bb7a8b704fd586f92aa8d549627654ebfd3ccfe3d3d7dd9414cb62ed328402d2a439a4452c7c215b5185c610782cf40f9da8380e5b4667df1fb1bd511dcd20056cbda2d8e46733fabe0196e99c454ef9c0d27c41b56dcfb4323d9f26aff', '\x76372d18cca043743ae366a6c1ab2fe554e57081606f8850779ecea3e66bed0c');
INSERT INTO public.events VALUES (7, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 3, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D7UNK', 'WebhookUnrecognised', 1, '2026-11-30 18:01:32.965592+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"name":"prewarmup.order.refunded","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","sentAt":"2026-11-30T18:01:32Z","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', NULL, NULL, '\x03576d6c5c652926e9e9fffd55c3e74c1f73b3a041ebe881f3481c2b59555f06e3a7ff2f4a0ff871147a912053d5b30d4441e5323adccda89f2a3f17d9a61956ff2743508a44d434572c0795e92065fbb2f2a16bdbf180cfc255f3e9d6eb4a3718adc6e7e1014b32db01b0e4904fa1c5258b78223b0e22ac2d2ada8f72a0f1bb17e84270895f92cfbf8698111e19f9bdf7c00f131a9f85de90d0a850914fb9b8e3800b0532e7df2101e8d8e073112cf68705a5fedd6f08c82c0b7273d6be54f7b1cc537624698606c8fa8d8aa86deb292cac540f7c9e1e0a5013c034ba5ed326fe8a29a5d63b65590f53c55d699d4cca66db78abdfae0f987c1b7f694a946a936e96dba4108027189a2f12975ab33aa5a5ed8dd4a87515ba3825fd429ff8439fbdcd8c47f1c4412fba3bdef797615bd03254bf418b2cd39fc6d0949f132cd4e53615878f7d9a4fd66cc4761c', '\x93460fdd70389cad0c8c6369df6bccb016d2e27f187e49bea9a5944ee9b035ac');
INSERT INTO public.events VALUES (8, 'access-5ab7a76c5e1b90dce440222127561bab', 1, 'warmledger', '5ab7a76c5e1b90dce440222127561bab', 'TokenCreated', 1, '2026-11-30 18:01:33.063699+00', '~access-5ab7a76c5e1b90dce440222127561bab', '{"actor":{"id":"cli:root"},"scopes":["read"],"token":{"createdAt":"2026-11-30T18:01:33.045826Z","hash":"c58d0d40f674e7763cac79386de3f3d0e63164b8219deab629a598edbeea6f4f","name":"reader"},"tokenId":"tok_7b90fc9684d0931a"}', NULL, NULL, NULL, '\x1e434459f63ea08fff5470466f72077f023bcb24662aa789240a5f6fe458a712');
INSERT INTO public.events VALUES (9, 'access-51d71012b0ee9e2a6d4a9e81e5be1f1e', 1, 'warmledger', '51d71012b0ee9e2a6d4a9e81e5be1f1e', 'SubjectHeld', 1, '2026-11-30 18:01:33.226534+00', 'U2', '{"actor":{"id":"cli:root"},"reason":"case-4711:court-order","subject":"U2"}', NULL, NULL, NULL, '\xda98cf705b58adc93aea93b92e4784c97ebf52ba2bf6eb542c5e4d82da7c362e');
INSERT INTO public.events VALUES (10, 'access-7979ed9baf86870d7be77053f7d488bb', 1, 'warmledger', '7979ed9baf86870d7be77053f7d488bb', 'ConsumerSet', 1, '2026-11-30 18:01:33.292521+00', '~access-7979ed9baf86870d7be77053f7d488bb', '{"actor":{"id":"admin"},"address":"127.0.0.1","consumer":"billing"}', NULL, NULL, NULL, '\xc6aa52af914dbc00e28a8110d330e2afee890d68ce254fb2a1410679b17e3384');






INSERT INTO public.head VALUES (true, 10, '2026-11-30 18:01:33.292521+00', 10, '\xbf0bfdd54a5b1ebda845cafcc767e82170bf5413017847591432a04a71bc7a4bd30f3c2e0e7ef5cc879d43304100010c46d154246457d032a38e378d84e4b855');



INSERT INTO public.leases VALUES ('projections', '', 1, '2026-11-30 18:01:33.950432+00');
INSERT INTO public.leases VALUES ('checkpoints', '', 1, '2026-11-30 18:01:33.955193+00');



INSERT INTO public.log_origin VALUES (true, 'warmledger/ea984c70f29b2ca8');



INSERT INTO public.mailboxes_g1 VALUES ('example.com', '{"assignments":[{"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2","newest":["2026-11-30T18:01:32Z",2,4],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T18:01:32.938087Z","position":4}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FXX","isAdmin":true,"warmingUpFrom":"2025-09-26T08:53:51.641Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":0}},{"stamp":0,"mailbox":{"mailboxId":"FZHCRVTWEDMP2ZMMRSVZ63F493F1","isAdmin":false,"warmingUpFrom":"2025-09-26T09:22:10.123Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":1}}]}]}', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'KX9V77PVMFMZH4PTPF2Y99PKYAT2', 2, '2025-11-27 19:59:17.294+00', '2026-11-30 18:01:32.938087+00', '2026-11-30 18:01:32.938087+00');
INSERT INTO public.mailboxes_g1 VALUES ('example2.com', '{"assignments":[{"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS","newest":["2026-11-30T18:01:32Z",2,4],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T18:01:32.938087Z","position":4}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"ERG9Y480R2M5H7PXCX9XS0K6VY0S","isAdmin":true,"warmingUpFrom":"2025-09-26T15:19:40.22Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":2}}]}]}', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'EAG9Q69XN0MBS2GF13K2HEYRTQGS', 1, '2025-11-27 19:59:17.294+00', '2026-11-30 18:01:32.938087+00', '2026-11-30 18:01:32.938087+00');
INSERT INTO public.mailboxes_g1 VALUES ('o1.example', '{"assignments":[{"orderId":"O1","subscriptionId":"S-O1","newest":["2026-11-30T18:01:32Z",2,1],"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T18:01:32.909712Z","position":1}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"M-O1","credentials":["password"],"position":1,"index":0}}]}]}', 'O1', 'U1', NULL, 'S-O1', 1, NULL, '2026-11-30 18:01:32.909712+00', '2026-11-30 18:01:32.909712+00');
INSERT INTO public.mailboxes_g1 VALUES ('o2.example', '{"assignments":[{"orderId":"O2","subscriptionId":"S-O2","newest":["2026-11-30T18:01:32Z",2,3],"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T18:01:32.934893Z","position":3}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"M-O2","credentials":["password"],"position":3,"index":0}}]}]}', 'O2', 'U2', NULL, 'S-O2', 1, NULL, '2026-11-30 18:01:32.934893+00', '2026-11-30 18:01:32.934893+00');



INSERT INTO public.master_key VALUES (true, '\xbb740cc8ee2751a4', '2026-11-30 18:01:32.476044+00');



INSERT INTO public.monthly_mailboxes_g1 VALUES ('GOOGLE/2026-11', '{"webhooks":1,"domains":2,"mailboxes":3}', 'GOOGLE', '2026-11-01', 1, 2, 3);
INSERT INTO public.monthly_mailboxes_g1 VALUES ('UNKNOWN/2026-11', '{"webhooks":2,"domains":2,"mailboxes":2}', 'UNKNOWN', '2026-11-01', 2, 2, 2);



INSERT INTO public.orders_g1 VALUES ('O1', '{"domains":{"o1.example":{"assigned":true,"mailboxes":["M-O1"],"subscriptionId":[[null,["2026-11-30T18:01:32Z",2,1]],"S-O1"]}},"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T18:01:32.909712Z","position":1}}}}', 'U1', NULL, 'fulfilled', NULL, 1, 1, 0, 1, '2026-11-30 18:01:32.909712+00', '2026-11-30 18:01:32.909712+00', 1);
INSERT INTO public.orders_g1 VALUES ('O2', '{"domains":{"o2.example":{"assigned":true,"mailboxes":["M-O2"],"subscriptionId":[[null,["2026-11-30T18:01:32Z",2,3]],"S-O2"]}},"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T18:01:32.934893Z","position":3}}}}', 'U2', NULL, 'fulfilled', NULL, 1, 1, 0, 1, '2026-11-30 18:01:32.934893+00', '2026-11-30 18:01:32.934893+00', 3);
INSERT INTO public.orders_g1 VALUES ('WR3N4JEW3D76N6KGRQSG36SSHBXK', '{"domains":{"example.com":{"assigned":true,"mailboxes":["FZHCRVTWEDMP2ZMMRSVZ63F493F1","LY25R9GK5AHYZ450YPWMNM8K8FXX"],"subscriptionId":[["2025-11-27T19:59:17.294Z",["2026-11-30T18:01:32Z",2,4]],"KX9V77PVMFMZH4PTPF2Y99PKYAT2"]},"example2.com":{"assigned":true,"mailboxes":["ERG9Y480R2M5H7PXCX9XS0K6VY0S"],"subscriptionId":[["2025-11-27T19:59:17.294Z",0],"EAG9Q69XN0MBS2GF13K2HEYRTQGS"]}},"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T18:01:32.938087Z","position":4}}}}', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'fulfilled', NULL, 2, 2, 0, 3, '2026-11-30 18:01:32.938087+00', '2026-11-30 18:01:32.938087+00', 4);









INSERT INTO public.projection_generations VALUES ('access', 1, 1, 10, 'live', '2026-11-30 18:01:33.407325+00', 4, false);
INSERT INTO public.projection_generations VALUES ('accounts', 1, 4, 10, 'live', '2026-11-30 18:01:33.409032+00', 5, false);
INSERT INTO public.projection_generations VALUES ('failures', 1, 1, 10, 'live', '2026-11-30 18:01:33.409293+00', 0, false);
INSERT INTO public.projection_generations VALUES ('mailboxes', 1, 5, 10, 'live', '2026-11-30 18:01:33.409439+00', 4, false);
INSERT INTO public.projection_generations VALUES ('monthly_mailboxes', 1, 1, 10, 'live', '2026-11-30 18:01:33.409581+00', 2, false);
INSERT INTO public.projection_generations VALUES ('orders', 1, 4, 10, 'live', '2026-11-30 18:01:33.409709+00', 3, false);
INSERT INTO public.projection_generations VALUES ('renewals', 1, 5, 10, 'live', '2026-11-30 18:01:33.409849+00', 4, false);



INSERT INTO public.refs VALUES (-5025922416318909538, 1);
INSERT INTO public.refs VALUES (-907827829364758173, 1);
INSERT INTO public.refs VALUES (-509324057018435738, 3);
INSERT INTO public.refs VALUES (8225199525707223841, 3);
INSERT INTO public.refs VALUES (-2736357228461943043, 4);
INSERT INTO public.refs VALUES (-1363135815505028888, 4);
INSERT INTO public.refs VALUES (-447708818221151814, 4);
INSERT INTO public.refs VALUES (2888023198362931935, 4);



INSERT INTO public.renewals_g1 VALUES ('KX9V77PVMFMZH4PTPF2Y99PKYAT2', '{"subscription":{"period":["2025-11-27T19:59:17.294Z","active"]},"assignedTo":[["2025-11-27T19:59:17.294Z",["2026-11-30T18:01:32Z",2,4]],{"domain":"example.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK"}],"mailboxes":["FZHCRVTWEDMP2ZMMRSVZ63F493F1","LY25R9GK5AHYZ450YPWMNM8K8FXX"],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T18:01:32.938087Z","position":4}}}}', 'example.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 2, '2025-11-27 19:59:17.294+00', true, '2025-11-27 19:59:17.294+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 18:01:32.938087+00', '2026-11-30 18:01:32.938087+00');
INSERT INTO public.renewals_g1 VALUES ('S-O1', '{"subscription":{"undatedActive":true},"assignedTo":[[null,["2026-11-30T18:01:32Z",2,1]],{"domain":"o1.example","orderId":"O1"}],"mailboxes":["M-O1"],"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T18:01:32.909712Z","position":1}}}}', 'o1.example', 'O1', 'U1', NULL, 1, NULL, false, '9999-12-30 00:00:00+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 18:01:32.909712+00', '2026-11-30 18:01:32.909712+00');
INSERT INTO public.renewals_g1 VALUES ('S-O2', '{"subscription":{"undatedActive":true},"assignedTo":[[null,["2026-11-30T18:01:32Z",2,3]],{"domain":"o2.example","orderId":"O2"}],"mailboxes":["M-O2"],"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T18:01:32.934893Z","position":3}}}}', 'o2.example', 'O2', 'U2', NULL, 1, NULL, false, '9999-12-30 00:00:00+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 18:01:32.934893+00', '2026-11-30 18:01:32.934893+00');
INSERT INTO public.renewals_g1 VALUES ('EAG9Q69XN0MBS2GF13K2HEYRTQGS', '{"subscription":{"period":["2025-11-27T19:59:17.294Z","renewing"],"autoRenew":[["2026-11-30T18:01:32Z",4,6],true],"quantity":[0,1]},"assignedTo":[["2025-11-27T19:59:17.294Z",["2026-11-30T18:01:32Z",2,4]],{"domain":"example2.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK"}],"mailboxes":["ERG9Y480R2M5H7PXCX9XS0K6VY0S"],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T18:01:32.938087Z","position":4},"lastAt":"2026-11-30T18:01:32.955537Z"}}}', 'example2.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 1, '2025-11-27 19:59:17.294+00', true, '2025-11-27 19:59:17.294+00', 'renewing', true, NULL, 0, 0, NULL, '2026-11-30 18:01:32.938087+00', '2026-11-30 18:01:32.955537+00');



INSERT INTO public.signing_keys OVERRIDING SYSTEM VALUE VALUES (1, 'warmledger/ea984c70f29b2ca8+491218d1+AVaPpVMcfXTScUDRrpZP88Cxn1VvwjqHmyUUlfwbp4Yx', '2026-11-30 18:01:32.8707+00');






INSERT INTO public.subjects VALUES ('U1', NULL, 2);
INSERT INTO public.subjects VALUES ('U2', 9, NULL);



INSERT INTO public.tokens VALUES ('tok_7b90fc9684d0931a', 'reader', 'read', '\xc58d0d40f674e7763cac79386de3f3d0e63164b8219deab629a598edbeea6f4f', '2026-11-30 18:01:33.045826+00', NULL, NULL, NULL);






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



ALTER TABLE ONLY public.stream_snapshots
    ADD CONSTRAINT stream_snapshots_pkey PRIMARY KEY (stream);



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




