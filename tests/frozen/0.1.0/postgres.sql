


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


CREATE FUNCTION public.append_batch(p_process integer, p_turn smallint, p_expected bigint, p_recorded_at timestamp with time zone, p_streams text[], p_versions integer[], p_sources text[], p_event_ids text[], p_types text[], p_schema_versions integer[], p_subjects text[], p_facts text[], p_personals bytea[], p_secrets bytea[], p_originals bytea[], p_leaf_hashes bytea[], p_refs bigint[], p_ref_rows integer[], p_key_subjects text[], p_keys bytea[], p_frontier bytea, p_node_levels smallint[], p_node_numbers bigint[], p_node_hashes bytea[], p_base bytea) RETURNS boolean
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(p_process, p_turn);
    IF p_base IS NULL THEN
        UPDATE head
        SET position = p_expected + cardinality(p_streams), recorded_at = p_recorded_at,
            tree_size = p_expected + cardinality(p_streams), frontier = p_frontier
        WHERE position = p_expected AND tree_size = p_expected;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
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

    IF p_base IS NOT NULL THEN
        FOR attempt IN 1..50 LOOP
            BEGIN
                PERFORM pg_advisory_xact_lock_shared(p_process, (p_turn + 2) % 3);
                EXIT WHEN (SELECT position >= p_expected FROM head);
                -- on a connection that has just been made, it has not even begun: undoing this block gives it its lock
                RAISE EXCEPTION USING ERRCODE = 'WL001';
            EXCEPTION WHEN SQLSTATE 'WL001' THEN
                PERFORM pg_sleep(0.001);
            END;
        END LOOP;
        -- whoever holds the head now is another process, and may be waiting for these very rows: it goes first
        PERFORM FROM head FOR NO KEY UPDATE NOWAIT;
        UPDATE head
        SET position = p_expected + cardinality(p_streams), recorded_at = p_recorded_at,
            tree_size = p_expected + cardinality(p_streams), frontier = p_frontier
        WHERE position = p_expected AND tree_size = p_expected AND frontier = p_base;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the head is not where the batch expects it' USING ERRCODE = 'serialization_failure';
        END IF;
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
    document text NOT NULL,
    mailbox_id text NOT NULL COLLATE pg_catalog."C",
    domain text COLLATE pg_catalog."C",
    order_id text COLLATE pg_catalog."C",
    subscription_id text COLLATE pg_catalog."C",
    has_password boolean NOT NULL,
    has_app_password boolean NOT NULL,
    has_authenticator_secret boolean NOT NULL
);
ALTER TABLE ONLY public.accounts_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.accounts AS
 SELECT accounts_g1.mailbox_id,
    accounts_g1.domain,
    accounts_g1.order_id,
    accounts_g1.subscription_id,
    accounts_g1.has_password,
    accounts_g1.has_app_password,
    accounts_g1.has_authenticator_secret,
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
    domain text NOT NULL COLLATE pg_catalog."C",
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
 SELECT mailboxes_g1.domain,
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



CREATE TABLE public.order_domains_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL,
    order_id text NOT NULL COLLATE pg_catalog."C",
    domain text NOT NULL COLLATE pg_catalog."C",
    user_id text COLLATE pg_catalog."C",
    service_provider text COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    subscription_id text COLLATE pg_catalog."C",
    mailbox_count bigint NOT NULL,
    reason text COLLATE pg_catalog."C",
    first_recorded_at timestamp with time zone NOT NULL,
    last_recorded_at timestamp with time zone NOT NULL,
    first_position bigint NOT NULL
);
ALTER TABLE ONLY public.order_domains_g1 ALTER COLUMN document SET STATISTICS 0;



CREATE VIEW public.order_domains AS
 SELECT order_domains_g1.order_id,
    order_domains_g1.domain,
    order_domains_g1.user_id,
    order_domains_g1.service_provider,
    order_domains_g1.status,
    order_domains_g1.subscription_id,
    order_domains_g1.mailbox_count,
    order_domains_g1.reason,
    order_domains_g1.first_recorded_at,
    order_domains_g1.last_recorded_at,
    order_domains_g1.first_position,
    order_domains_g1.key,
    order_domains_g1.document
   FROM public.order_domains_g1;



CREATE TABLE public.orders_g1 (
    key text NOT NULL COLLATE pg_catalog."C",
    document text NOT NULL,
    order_id text NOT NULL COLLATE pg_catalog."C",
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



CREATE VIEW public.orders AS
 SELECT orders_g1.order_id,
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
    subscription_id text NOT NULL COLLATE pg_catalog."C",
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
 SELECT renewals_g1.subscription_id,
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



INSERT INTO public._sqlx_migrations VALUES (1, 'events', '2026-11-30 16:48:53.207181+00', true, '\x5bdb695a907f8e2b3ed2e462111c8b63ff69d11f498b6a60db302c0693c2b03982da9b7c84da5dbbadeee78dc5f7f3a3', 13551264);
INSERT INTO public._sqlx_migrations VALUES (2, 'refs', '2026-11-30 16:48:53.221406+00', true, '\xbad99391a1e270ce93f743591f9c60bb3f6fee68c0cccf365c91170c6a3634d0aed79765e8998b445c30c8dd18c8fe49', 2485898);
INSERT INTO public._sqlx_migrations VALUES (3, 'head', '2026-11-30 16:48:53.224421+00', true, '\x04b12e530fce06c8c66404c6f5c10446493df4db78c12a5a5945c698e325492ba077da6a02f0e392112765608104e07e', 3110793);
INSERT INTO public._sqlx_migrations VALUES (4, 'clock steps', '2026-11-30 16:48:53.228194+00', true, '\xac313df9b29d42b494dd22033d3090d789dd7e749d5798f5872a54b11c1463034670ee17a7cfc901df7cb1cd65085cbb', 3329015);
INSERT INTO public._sqlx_migrations VALUES (5, 'refuse change of proof', '2026-11-30 16:48:53.231777+00', true, '\x2457bc9d92da22cf0929ecb2229fe594e192ba2a9526d23764298de9a7b263104a4877e582bca3878dca4f1eafb6293f', 959451);
INSERT INTO public._sqlx_migrations VALUES (6, 'tree nodes', '2026-11-30 16:48:53.232962+00', true, '\xab93f6254ba1ab78043fb11b9c8390a541f0f30def2bffb7fe182ff36ba15d601c1c0a883f9c90c9f659743fd365e9cc', 3069720);
INSERT INTO public._sqlx_migrations VALUES (7, 'log origin', '2026-11-30 16:48:53.23679+00', true, '\x1ab920d39e9dac58df5723fde723e0e65557f551fc2736edfebff54212b87ba4235ea9072375d26a32ac8c0a52790c3e', 5411551);
INSERT INTO public._sqlx_migrations VALUES (8, 'signing keys', '2026-11-30 16:48:53.242038+00', true, '\xd374531a9c21ce66b99ff70d9a261259980698173ef6caaa90205757b04560db78924158a5cad3e62de03701a0296260', 4210682);
INSERT INTO public._sqlx_migrations VALUES (9, 'checkpoints', '2026-11-30 16:48:53.246681+00', true, '\x8a39ec192c82b9fc81b3bcbd6302b1920b07cc1cc311b4e110cb5aa4943172aa9cf36a27720713d2c48855c926b59467', 3719812);
INSERT INTO public._sqlx_migrations VALUES (10, 'master key', '2026-11-30 16:48:53.250698+00', true, '\x4fc2a192b8e25f2657cf436390159634d26e870962ed0610b15d9a9d5c55074c69a878f056090eb1ef262f0447f27040', 3048745);
INSERT INTO public._sqlx_migrations VALUES (11, 'data keys', '2026-11-30 16:48:53.253958+00', true, '\x7cf4df9a706c7ee1d5c7fe7da77bd77477614b8be4abe4fe43f5a09835743a07c7b15780e444268adf26611e4f09e0bc', 2272717);
INSERT INTO public._sqlx_migrations VALUES (12, 'subjects', '2026-11-30 16:48:53.256344+00', true, '\x908f9a7b1dee496f4b2db3525537ea934a018c4b6ebe742a1e4c394e3862b7e7a6dd56e79d89d2ef66b97838a19cf7d9', 2175069);
INSERT INTO public._sqlx_migrations VALUES (13, 'projection generations', '2026-11-30 16:48:53.258635+00', true, '\x7441606d4bf8b6c1894b6a443c81c9a4d165aa4ba78428520754444f11e63247a1ed081d88bf85295093c16aa4daa59a', 4553751);
INSERT INTO public._sqlx_migrations VALUES (14, 'parked rows', '2026-11-30 16:48:53.263274+00', true, '\x79928ddb136b1003346abc60bf3af650beb25de20d2addb26d970cdc7b9a28446f4f1a9274fe5e262168bc5ef8040e35', 2450372);
INSERT INTO public._sqlx_migrations VALUES (15, 'consumers', '2026-11-30 16:48:53.265823+00', true, '\x0ec16159ebdaa9aa4280a50862c1cd2be87ad0a4122d657fb93960b14e002b5c3f3914dc272c3fd454243308ce726781', 1938491);
INSERT INTO public._sqlx_migrations VALUES (16, 'tokens', '2026-11-30 16:48:53.267849+00', true, '\x659dac5b08e9f636a37e95ed685d55e18f52ac2e1a21d91894a15731e6f8d11b7070bb731df457956e3c99f4972e2c76', 2190768);
INSERT INTO public._sqlx_migrations VALUES (17, 'leases', '2026-11-30 16:48:53.270135+00', true, '\x38549eab62e82a73348b58d5db8ce75eadce428eaf5e789cc469e9069b6662f9de5f269de2d729ad4374a960af249fb5', 1778545);
INSERT INTO public._sqlx_migrations VALUES (18, 'processes', '2026-11-30 16:48:53.271999+00', true, '\x548a30a3f2d75256a47936b82eebba45c9242b85f5be133888c35cee1f8dc41145254cecc0ed21fb2a12b0eb649c46b4', 2521191);
INSERT INTO public._sqlx_migrations VALUES (19, 'stream snapshots', '2026-11-30 16:48:53.274615+00', true, '\x4fcaef91d61343bad9c01bd0780708f13901f59f183a1aae68060b58deb20a68f87821433b74f6b525ab651aaee7bd08', 2121111);
INSERT INTO public._sqlx_migrations VALUES (20, 'append batch', '2026-11-30 16:48:53.276837+00', true, '\x342fb4670f4ac48daca20b454276c8a4753aa3ae8859d7f7f174b466201995eb76cc874868dfc2cc87347d1bb055bce0', 1186450);



INSERT INTO public.access_g1 VALUES ('43c8d19299e0d800df139c447cd01f98', '{"position":8,"recordedAt":"2026-11-30T16:48:53.813561Z","action":"createToken","facts":{"actor":{"id":"cli:root"},"scopes":["read"],"token":{"createdAt":"2026-11-30T16:48:53.809477Z","hash":"83b180ad89473a4efff2dd7e4529d1fdd3a82f0b9405fb41160e7e48f77d9885","name":"reader"},"tokenId":"tok_81ba3a98bda1894a"}}', 8, '2026-11-30 16:48:53.813561+00', 'cli:root', NULL, 'createToken', 'granted', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'tok_81ba3a98bda1894a', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.access_g1 VALUES ('c28e098d78433b7b06141b10ab6c1612', '{"position":2,"recordedAt":"2026-11-30T16:48:53.751265Z","action":"erase","facts":{"actor":{"id":"admin"},"address":"127.0.0.1","reason":"request 2026-117","subject":"U1"}}', 2, '2026-11-30 16:48:53.751265+00', 'admin', NULL, 'erase', 'granted', NULL, 'request 2026-117', NULL, 'U1', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '127.0.0.1', NULL);
INSERT INTO public.access_g1 VALUES ('8e9810d86066ddeeb5fa40ce6d9b4616', '{"position":9,"recordedAt":"2026-11-30T16:48:53.909252Z","action":"hold","facts":{"actor":{"id":"cli:root"},"reason":"case-4711:court-order","subject":"U2"}}', 9, '2026-11-30 16:48:53.909252+00', 'cli:root', NULL, 'hold', 'granted', NULL, 'case-4711:court-order', NULL, 'U2', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.access_g1 VALUES ('436c796034a3c8a0b9a98ec9090e17a0', '{"position":10,"recordedAt":"2026-11-30T16:48:53.954617Z","action":"setConsumer","facts":{"actor":{"id":"admin"},"address":"127.0.0.1","consumer":"billing"}}', 10, '2026-11-30 16:48:53.954617+00', 'admin', NULL, 'setConsumer', 'granted', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '127.0.0.1', NULL);



INSERT INTO public.accounts_g1 VALUES ('ERG9Y480R2M5H7PXCX9XS0K6VY0S', '{"tellings":[{"stamp":["2026-11-30T16:48:53Z",2,4],"position":4,"index":2}],"home":[0,{"domain":"example2.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS"}]}', 'ERG9Y480R2M5H7PXCX9XS0K6VY0S', 'example2.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'EAG9Q69XN0MBS2GF13K2HEYRTQGS', true, true, true);
INSERT INTO public.accounts_g1 VALUES ('FZHCRVTWEDMP2ZMMRSVZ63F493F1', '{"tellings":[{"stamp":["2026-11-30T16:48:53Z",2,4],"position":4,"index":1}],"home":[0,{"domain":"example.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2"}]}', 'FZHCRVTWEDMP2ZMMRSVZ63F493F1', 'example.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'KX9V77PVMFMZH4PTPF2Y99PKYAT2', true, true, true);
INSERT INTO public.accounts_g1 VALUES ('LY25R9GK5AHYZ450YPWMNM8K8FXX', '{"tellings":[{"stamp":["2026-11-30T16:48:53Z",2,4],"position":4,"index":0}],"home":[0,{"domain":"example.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2"}]}', 'LY25R9GK5AHYZ450YPWMNM8K8FXX', 'example.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'KX9V77PVMFMZH4PTPF2Y99PKYAT2', true, true, true);
INSERT INTO public.accounts_g1 VALUES ('M-O1', '{"tellings":[{"stamp":["2026-11-30T16:48:53Z",2,1],"position":1,"index":0,"parts":["password","email"]}],"home":[0,{"domain":"o1.example","orderId":"O1","subscriptionId":"S-O1"}]}', 'M-O1', 'o1.example', 'O1', 'S-O1', true, false, false);
INSERT INTO public.accounts_g1 VALUES ('M-O2', '{"tellings":[{"stamp":["2026-11-30T16:48:53Z",2,3],"position":3,"index":0,"parts":["password","email"]}],"home":[0,{"domain":"o2.example","orderId":"O2","subscriptionId":"S-O2"}]}', 'M-O2', 'o2.example', 'O2', 'S-O2', true, false, false);



INSERT INTO public.checkpoints OVERRIDING SYSTEM VALUE VALUES (1, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'warmledger/14611a272c757192
0
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

— warmledger/14611a272c757192 C9ssf1KpEZ1ZIiVncUia/GErcpYFfHqClotwCKHG0/yO1mu5rmwWaiVHpEs9+MmOBVqglPdSgKl8AK916iNsIowJogo=
', '2026-11-30 16:48:53.708476+00', 1);
INSERT INTO public.checkpoints OVERRIDING SYSTEM VALUE VALUES (2, 10, '\x0addf70246998431f54a5c6e0be9dfd3671136a16ccde2b257c86a1799408ce2', 'warmledger/14611a272c757192
10
Ct33AkaZhDH1SlxuC+nf02cRNqFszeKyV8hqF5lAjOI=

— warmledger/14611a272c757192 C9ssf30fO/bGEqj42TQFUa0eCpS4L0CBne+ApkgacoM7bH9j+JbsBgIw85ywEJsM36eGM11NSlAWwpKw5/qcJYUfZgg=
', '2026-11-30 16:48:54.721888+00', 2);






INSERT INTO public.consumers VALUES ('billing', '{}', 0, '2026-11-30 16:48:53.957803+00', '2026-11-30 16:48:53.957803+00', NULL, 'admin');



INSERT INTO public.data_keys VALUES ('~fingerprint', '\xbb740cc8ee2751a443f433d3f72baa73b3f1b697b9352b5ce9ac704bb05c66a965ef5900b8bd5567fbd419f9f47a190eb039cb0d59879cbe139a1e23d4704d7e0142287715b5deaf440ae70f9d851afa', '2026-11-30 16:48:53.300331+00');
INSERT INTO public.data_keys VALUES ('U2', '\xbb740cc8ee2751a44ac5b65b7f29bbf4a590c69f25111ea825efc6f8d326b9d55f373c01dc0e55fab161797d78465e90d2dd3071dd2d142f19d26197821a7bd25d3298ee9500a01e1494991c30a4a7ff', '2026-11-30 16:48:53.757511+00');
INSERT INTO public.data_keys VALUES ('PWM7Y25RYZ450YNM8K8FX9GK5AHX', '\xbb740cc8ee2751a4c61a18a32d9728a1a4444eb74c8dd0cd60a2ed49d4201483ecd76ca30afcd5a27e6fbfcf43052acd61fdc46b66bdb725858b816bc20f54ceaf8890f2443e06fa181a0e0bc5fa6195', '2026-11-30 16:48:53.760641+00');



INSERT INTO public.events VALUES (1, 'order-O1', 1, 'coldmailreseller', 'E1', 'MailboxesAssigned', 3, '2026-11-30 16:48:53.730806+00', 'U1', '{"domains":[{"domain":"o1.example","mailboxes":[{"credentials":["password"],"mailboxId":"M-O1","personal":["email"]}],"subscriptionId":"S-O1"}],"orderId":"O1","sentAt":"2026-11-30T16:48:53Z","userId":"U1"}', '\x0001eac2cebe9c0db05679d4a306b981062c77657fc991f8fa68d58d529696a52292bc740bba9a4ce7c5bc9ab2fb84e35250aa85b7290bcc5053406b753da3765d98f5b1ace7103e6348f83a137939e1b4d38d', '\x00c85ff9ef1a32bb917d7df473601f1361ba2091cceaf96be59ec020f670f4e16ef62bd9328f93f03839db1f53e132a370ec1313facd888eb31eb9c4db5321f0ade557929ff7e7930cf0d563d121928e12', '\x0372adc51d0914f5e7d080e1158e79fe7dd08493935f5cad6259193036e007f69cfea093499b9010b23468c6d81a337532b9c6a98334aaf140bdbaf6ddd19bd36da9c50bca4deaa43f9797a266b1c460f7a91a562e6c2d8a1f6dbc57d1b0710848ce8cfe5e8bd70aa40e5b108041a5eb986f1c3b7072e91afc90c6ec9b2fdb1f0d547fcbc3ced6b31484c970a0051569bf37f9756c649f0ce178fa5395dc71c83c67bd0628479c8142821750717f0e9c2751dc741116b85bc5b4bc7e9d1425c462cb43fff3a5df237c50d10dea0d6c1de4cbbd6ae9fe298bc680fe10dbc299a9e96f49df5b3ab078d677bfcfae1479b6b2134a67f846a9cb5a591e42288c6fe46414c0af14566ec3d3c51ff4c695d8c08253a3fc2cfd0933444605da2a07d39bb26babbfbdfd2b9512c5de03741f756393da08d94b', '\x5119d46fafd9bbafd83eaaa79d888e46904ba173e65d4de73b62695eb68d8ae4');
INSERT INTO public.events VALUES (2, 'access-c28e098d78433b7b06141b10ab6c1612', 1, 'warmledger', 'c28e098d78433b7b06141b10ab6c1612', 'SubjectErased', 1, '2026-11-30 16:48:53.751265+00', 'U1', '{"actor":{"id":"admin"},"address":"127.0.0.1","reason":"request 2026-117","subject":"U1"}', NULL, NULL, NULL, '\x4c6aaf0aecc2a592a019dfdc6ac681360ff854e0dbab572f83aa3575cef19f33');
INSERT INTO public.events VALUES (3, 'order-O2', 1, 'coldmailreseller', 'E2', 'MailboxesAssigned', 3, '2026-11-30 16:48:53.757511+00', 'U2', '{"domains":[{"domain":"o2.example","mailboxes":[{"credentials":["password"],"mailboxId":"M-O2","personal":["email"]}],"subscriptionId":"S-O2"}],"orderId":"O2","sentAt":"2026-11-30T16:48:53Z","userId":"U2"}', '\x00c3ee14424276896f34fd1816b449fc140feb45122fec6461c8782a5bcd9b96f596339c14becf82f5fd53e6dd8b1a98b161f905a4ec8b41681bb95be68aee01ae98fc9ddfec79fe83a12679d550ef64c8603f', '\x0026d9bcfe71363f34f12aa6ed7e3e70e640a55999611093bd0c8412892befa20f86b3f77732c28e57592f29afc580081e483cb1d3e866d1581aa36033c1cd8cd88610d33b8dd98a77e6d1422ac0fc4f62', '\x03bc458ed07973e2b5f21c6474e9679d1ad4aef5b979532b1b6135204dce24ff1c8c4805a50cdce4faba14221708dc2cbfbcd0c6d8525d596b691c4d6ba97dc7906caa69f31b106c0e46d834b30f00903640d81c819b8a7ba1b5800d99edfe96f3aea4df6ce928270d5a9e66370b3bf4e835c9cb2b56b4fed8377e8f12f93f604797840641cb5f2f07f60996026fe5929421ea4d058d83806e74842130fb81a75967862584912a39fdb0d9d0b1cad687ef2952a265fcb3a8e78ad528903a4b90a0f59b13b511328fb6e85be6c88bae30e0a7a0bc354f9e290712d28f075e0173f2fd54291c82ad6edd4992ae3ba25648c7f402bd657ac8b5ff005f60b50f53c2caca314a0a7ff07f5fdbb25ca265eac7d88cb085c2486b87f52b4d737145582d5c7ebc72bb4c79c9b947e78749c547f8f649f27d50', '\x14d113334d9a87785150d819fb94e77b989c41135fa5095a23cb9fa3535b3fb3');
INSERT INTO public.events VALUES (4, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 1, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D76N6', 'MailboxesAssigned', 3, '2026-11-30 16:48:53.760641+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"domains":[{"domain":"example.com","mailboxes":[{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":true,"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FXX","warmingUpFrom":"2025-09-26T08:53:51.641Z"},{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":false,"mailboxId":"FZHCRVTWEDMP2ZMMRSVZ63F493F1","warmingUpFrom":"2025-09-26T09:22:10.123Z"}],"subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2"},{"domain":"example2.com","mailboxes":[{"expiryDate":"2025-11-27T19:59:17.294Z","isAdmin":true,"mailboxId":"ERG9Y480R2M5H7PXCX9XS0K6VY0S","warmingUpFrom":"2025-09-26T15:19:40.22Z"}],"subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS"}],"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","sentAt":"2026-11-30T16:48:53Z","serviceProvider":"GOOGLE","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', '\x01dff3faab455e660bd30bb1f2afcdbe631c866b1f5dffdc1f25e6b9f5287ca6b4e037297c88ced3ba222040982035ab81fe8254ee98da0e61f930c0a5e19f248c8e50519b554244dd2e0ac17e2804a8544418f74ad893a76238dcd3d2c0d229ba0a299ce0bc33dae4457ff1d2d7fa0a4dad246a5aa374b3342fdc0b2785d7b0cf3a8dc17c7854e40415f10866642e2dc6435bc5e7ed7b2d4161ef8a9aa8e27010e5ac0b49cedf6e62d1a7042bbcdc96cb8520d81d9359403632ae60fa116e76392efde211fc0aa46ee65a3d2606b1ad62b76a926ba4d5da3c5810e2ae6d112b2b9b6bbf09cbbcacc5cfc99e6f0e58e12e27125f1cb5e0739bb601d1d1d0348ba3a32db3d1f582832f98d577b14ab7c5a93b161d491e059f760cf6b1229841639754b4456caf22614a29b71a8c686a2a30eca32a59ca8b9aa85f4a704e89f6535ffd2aae34a7b89cc456eb160b36b17adb0059f624fb27295e7309ce52210dead3909b', '\x00a350d2c7a927a7f83e6c54e5426abd9518b5d84f4b0d4cdd2964d57c10d3aba0d1053479a8f856b356188c506a46900a6b69897d408e3c1b2d50391e3ed73c0b15b68bf45e8003bcea75576ff9b13dfd8129916912d1b612705fd010d4a5a80847394e27a4e6f46438b9801f05ce8bb8eae7315a77d115da1607970c925b2ce4b013c290ca7ff0db455b2604cdfb8d99129983b9d6d6e69c5b8ef25abc8cc57ff2afe222a25419da4524fddad172e5d69a8f9030708cb5db8fd598619dadc92ac074363303f5acf71a4cdcbdbc2ce47a137513b093e27269e70f0eacebabdb6bc242af1d6caed788a08ac917d96ab1d083e6e910', '\x03faedd3c211da34622810b205dbfd47d50ccf8f69456ed5790d7987d3bcbeef214e0df49e610ffb65820a729bbad2a00b14c34074a58d75b585ea258b1e3fca8dca3b46aae5eec303afec156e6234369cb927ee8bc23492b1c986a8a0c8528adde8e55294dd46587c250f94df0f0288efd915d27968ca667fda00f5e8c6d999ee22eaf92ef9e28e9389482fc56747e0eba35d495c496047b005aed8049963e27711f850d47b1578ec64127c69d9ccf5d3198b5b1b755cf1cf48879df7a96eaa83d967e17f91e978b84d280b024946841810afb0dce7a0760485d82dc840bd129e629da313f4c5d78644e7ee5401ceb2501e92a828f68017bb09cb32b00f5dd43badb3b27415f905ff7cff8a3e512f1f91d02f561b2f76a54170f06c67c15142242c3c0094ae21646cbc0899b676381a4e5f352838c4728bb9f603048b7909396ca7d6222aca23490fef065b78c3769b807640bb4377e4508fa9b7021fcd010350b1357efa8db7aaae342bb0d0aa00718e37c5847430a755e4a97d015d50ab1715e02a6763f2ed96e9a8bb5423f5d1bbe72c24bdead3259c59a1c9cb4130a42068b921888d8ff094e56525d47cccf8e031b3d7b8e8a8e60ac569d39143cab7815c4c26e21b2021c2c70e836d188e77ccd694d66f6b9cf3ab2bfe3e43815b64b650b68093a493f3bfca09ae02956a9b8a2edcb153566ee9970a728832f2b978ccfc3f79569d85bf9a12c17961e9e698e0855337566fc9e3d2d2f946f3e90235982070b2ea83ef50b986990bafc98003f5beb779560c01f0a4ab34f5781b2c96d10691a2391131fe518ad0e803daf27289ced6a752571e91b98eccb1fa262fd9c0221e7096e99726c0be778ae52c7e564fcdeafa2a24ece18f9ba3ed57fdfbb00c', '\x08604e726291b6505ebb3a7428ee0620e4a43feaf9af205668bf7ba3d49c89d0');
INSERT INTO public.events VALUES (5, 'order-NQ682GAVFTMYC2H6C87PPKPG5WXV', 1, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D7DOM', 'WebhookUnrecognised', 1, '2026-11-30 16:48:53.762597+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"domain":"company.com","name":"domain.order.success","orderId":"NQ682GAVFTMYC2H6C87PPKPG5WXV","sentAt":"2026-11-30T16:48:53Z","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', NULL, NULL, '\x036a3cc43d6fb010974ec3b7ed76ee35fe5daeafaed35524d132adf3011772d2f59956ef80a4618a1b568924135cced25d4b38049c5cf6d895dcec64c166cb306ba1f008add9f6250b25eb6feed62e01d7be44be041f1919c5c8bcecd8700186665313ec05858bc7ab1e9dd4becd204b6b1bd5e3a9a3df2cf92bd059eb4db834c136e1dc305064b645b4fd4191b7481c69b11be66c40b15cd58209a556c0360bba21fd5d69f616c2924dc95828163690b4f26985dfb045e006388d812ba72ad28a433406d4570081b70e3495fea9b2d8a2d72ba8e7796d8f47b263e8aa2aef441b0e0f7d402a2ef9b93eb684b8f6e136fa033692ada37d6cf79ed768bc800e46e712d6200ea42cc4db8f45e43e1a2fca39c1f9a3373f0f93ab5a3b07c725ea49fec6f50711d5296f9ef18c85746682ceec4e406910e0df1ccc44e31dd6e25aec86ee96f8fd95f1a75bb3569ea964721292d0e192d14fb5179a53ab815f4fe62711e521bf7303b04cd74854629495e7e8e1156116b3a7f8d3fa7480fc2a89f5d508a9122290b0d0d5a993933416cef12ec0e0fc5be3d638f7fdca4527e1fe83ed733d7969b155fb5bab03f449a16458', '\x55893bd53044ef9244acb523b1f60d5f0b9be410950322e7a12059daa768c700');
INSERT INTO public.events VALUES (6, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 2, 'coldmailreseller', '7SSHBXWQ3N3JEKHRQ763KW3DREN1', 'SubscriptionRenewing', 1, '2026-11-30 16:48:53.764514+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"autoRenew":true,"domain":"example2.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","periodEnd":"2025-11-27T19:59:17.294Z","periodStart":"2025-10-27T19:59:17.294Z","quantity":1,"sentAt":"2026-11-30T16:48:53Z","serviceProvider":"GOOGLE","subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS","subscriptionStatus":"RENEWING","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', '\x00050a75cd207a49b22a7437ab0e8be0273d005aac5fc5061e6334d60d8339177d98cec6159c217b6338c818184fa323ba3ce219cbb329ba29e06ee2b0f19e853de204eadc0eed0ba485181f', NULL, '\x032efd59e44e361db8b5ef064846937d376cc2d70daffe5818e09bcb322e3173e5abbb0c19dc5b883d1466de5c018e847c2b06138696616c03064fad917289ce677321aafc5807af2a26d33b59a2fd8b66f2621e28f936a1428a6d535a3ac1c7e79873ea0581d5777c882c7dea2ef21702b2e2efc348083cc690d525f4e4c6438aeca5c8f26c160918c86550cd3101acefc2b0035e458fdd3f84a56fabb1d35cfb9b90ecec0e7ff629b324c82d40f5ba58502b5b9912ac45381225d6af96932c34cadab5f6fd69611f4f330ad854cef4022437f4739312c3b890ca4949dd7fd0891a93b285b945f0bc29f2916ab1cdb5b9e1486fb7a345b74059eb747edd115c84ef21984caca2013d41c94953de52c9d50bc4f16e0e205125a6b6d66df762b0c16183f17dda38b9f156d04df3ac71ce2eaf8e9b6e6ceddc69bc07f3fb9e51d96c6b848182d26c837fa3533976116dd35e32e31cd4d4e399f434bddefdf1556126684087ef5d63f5c6c193fedd28965bfebd51cec5e238c50b25e83fac3f206dc83c3c27b1a4811227f1829228691ec5c4e4ce51b2cae6bed82708e722b77d575bf1f90dedbb5fa90f5dc132dcb394ed0de4a611f9c087f29a1a117623d882', '\xbe20ea9dfc787ea560a7185e3acfcccea05a9f78d09ed4ca7258385ab9440490');
INSERT INTO public.events VALUES (7, 'order-WR3N4JEW3D76N6KGRQSG36SSHBXK', 3, 'coldmailreseller', '6SSHBXWR3N4JEKGRQSG3KW3D7UNK', 'WebhookUnrecognised', 1, '2026-11-30 16:48:53.766993+00', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', '{"name":"prewarmup.order.refunded","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","sentAt":"2026-11-30T16:48:53Z","userId":"PWM7Y25RYZ450YNM8K8FX9GK5AHX"}', NULL, NULL, '\x033709199ba748117fecc15165b269ca483b298e7e22d97ca8be0a10336cc5174f316e2cd3093e3e174dcbcd20ce353c297390fa62ac17599e367b555596b336e76d82bea4c6f9797b4340f9c2306ab278663a1f386aac73219f1639ef7ac3bb5a1c97f1097b59dc77d201a64d1b19b2290eb8236fa26e9e52684f346c2a943706e478703e4e84415bc737993328f9bfaae899666c7b221af665c943c5ab4284db5915666c6bffed99473e14f715f92996f859d351e104108f9888878817f16e0f9a0115fb38f0a83bb193325166392f33cda3bf426067e472332758c87c8c5f4ee7a957b9ea6ef431c2f85e3d827b5b6e131a916b8604b24c3705a880d5fd799306f3aee23b450ec190ea2b8c37f1efb981ce5e3ead53436894fd343a96b2482c148d065f7fbecabf6de4b571a5bf0a91903701dafb28bc152fb7785242285686cc9ee6b8a2baa0e3dffd89', '\xb7a5722da4a247f8a37b1f6c40e6738473436cf2fb02263cab889e3b443cce49');
INSERT INTO public.events VALUES (8, 'access-43c8d19299e0d800df139c447cd01f98', 1, 'warmledger', '43c8d19299e0d800df139c447cd01f98', 'TokenCreated', 1, '2026-11-30 16:48:53.813561+00', '~access-43c8d19299e0d800df139c447cd01f98', '{"actor":{"id":"cli:root"},"scopes":["read"],"token":{"createdAt":"2026-11-30T16:48:53.809477Z","hash":"83b180ad89473a4efff2dd7e4529d1fdd3a82f0b9405fb41160e7e48f77d9885","name":"reader"},"tokenId":"tok_81ba3a98bda1894a"}', NULL, NULL, NULL, '\x9c3899040809a7a7960b736ebb12462060771a1f6e951edbf297131eb0d3c137');
INSERT INTO public.events VALUES (9, 'access-8e9810d86066ddeeb5fa40ce6d9b4616', 1, 'warmledger', '8e9810d86066ddeeb5fa40ce6d9b4616', 'SubjectHeld', 1, '2026-11-30 16:48:53.909252+00', 'U2', '{"actor":{"id":"cli:root"},"reason":"case-4711:court-order","subject":"U2"}', NULL, NULL, NULL, '\x82405ffe0b05e51ed56ecf93008a6075569067b345003ba4c5e5ce27ebe98e87');
INSERT INTO public.events VALUES (10, 'access-436c796034a3c8a0b9a98ec9090e17a0', 1, 'warmledger', '436c796034a3c8a0b9a98ec9090e17a0', 'ConsumerSet', 1, '2026-11-30 16:48:53.954617+00', '~access-436c796034a3c8a0b9a98ec9090e17a0', '{"actor":{"id":"admin"},"address":"127.0.0.1","consumer":"billing"}', NULL, NULL, NULL, '\xd0cb70309fb89635b66194871ead87d22ba27fa5565e547115eb24689358190c');






INSERT INTO public.head VALUES (true, 10, '2026-11-30 16:48:53.954617+00', 10, '\xb06874fbe278cfdafc7af9b2880880994d0e6b42f888067c760bed7dadda1076b787e7f297a40f039b52f240282b1dd94f741a5e2bf8f8f39415140e7e148cc4');



INSERT INTO public.leases VALUES ('projections', '', 1, '2026-11-30 16:48:54.778133+00');
INSERT INTO public.leases VALUES ('checkpoints', '', 1, '2026-11-30 16:48:54.779728+00');



INSERT INTO public.log_origin VALUES (true, 'warmledger/14611a272c757192');



INSERT INTO public.mailboxes_g1 VALUES ('example.com', '{"assignments":[{"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2","newest":["2026-11-30T16:48:53Z",2,4],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T16:48:53.760641Z","position":4}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FXX","isAdmin":true,"warmingUpFrom":"2025-09-26T08:53:51.641Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":0}},{"stamp":0,"mailbox":{"mailboxId":"FZHCRVTWEDMP2ZMMRSVZ63F493F1","isAdmin":false,"warmingUpFrom":"2025-09-26T09:22:10.123Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":1}}]}]}', 'example.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'KX9V77PVMFMZH4PTPF2Y99PKYAT2', 2, '2025-11-27 19:59:17.294+00', '2026-11-30 16:48:53.760641+00', '2026-11-30 16:48:53.760641+00');
INSERT INTO public.mailboxes_g1 VALUES ('example2.com', '{"assignments":[{"orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS","newest":["2026-11-30T16:48:53Z",2,4],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T16:48:53.760641Z","position":4}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"ERG9Y480R2M5H7PXCX9XS0K6VY0S","isAdmin":true,"warmingUpFrom":"2025-09-26T15:19:40.22Z","expiryDate":"2025-11-27T19:59:17.294Z","position":4,"index":2}}]}]}', 'example2.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'EAG9Q69XN0MBS2GF13K2HEYRTQGS', 1, '2025-11-27 19:59:17.294+00', '2026-11-30 16:48:53.760641+00', '2026-11-30 16:48:53.760641+00');
INSERT INTO public.mailboxes_g1 VALUES ('o1.example', '{"assignments":[{"orderId":"O1","subscriptionId":"S-O1","newest":["2026-11-30T16:48:53Z",2,1],"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T16:48:53.730806Z","position":1}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"M-O1","credentials":["password"],"position":1,"index":0}}]}]}', 'o1.example', 'O1', 'U1', NULL, 'S-O1', 1, NULL, '2026-11-30 16:48:53.730806+00', '2026-11-30 16:48:53.730806+00');
INSERT INTO public.mailboxes_g1 VALUES ('o2.example', '{"assignments":[{"orderId":"O2","subscriptionId":"S-O2","newest":["2026-11-30T16:48:53Z",2,3],"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T16:48:53.757511Z","position":3}}},"mailboxes":[{"stamp":0,"mailbox":{"mailboxId":"M-O2","credentials":["password"],"position":3,"index":0}}]}]}', 'o2.example', 'O2', 'U2', NULL, 'S-O2', 1, NULL, '2026-11-30 16:48:53.757511+00', '2026-11-30 16:48:53.757511+00');



INSERT INTO public.master_key VALUES (true, '\xbb740cc8ee2751a4', '2026-11-30 16:48:53.29555+00');



INSERT INTO public.monthly_mailboxes_g1 VALUES ('GOOGLE/2026-11', '{"webhooks":1,"domains":2,"mailboxes":3}', 'GOOGLE', '2026-11-01', 1, 2, 3);
INSERT INTO public.monthly_mailboxes_g1 VALUES ('UNKNOWN/2026-11', '{"webhooks":2,"domains":2,"mailboxes":2}', 'UNKNOWN', '2026-11-01', 2, 2, 2);



INSERT INTO public.order_domains_g1 VALUES ('O1/o1.example', '{"outcome":{"assigned":true,"mailboxes":["M-O1"],"subscriptionId":[[null,["2026-11-30T16:48:53Z",2,1]],"S-O1"]},"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T16:48:53.730806Z","position":1}}}}', 'O1', 'o1.example', 'U1', NULL, 'assigned', 'S-O1', 1, NULL, '2026-11-30 16:48:53.730806+00', '2026-11-30 16:48:53.730806+00', 1);
INSERT INTO public.order_domains_g1 VALUES ('O2/o2.example', '{"outcome":{"assigned":true,"mailboxes":["M-O2"],"subscriptionId":[[null,["2026-11-30T16:48:53Z",2,3]],"S-O2"]},"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T16:48:53.757511Z","position":3}}}}', 'O2', 'o2.example', 'U2', NULL, 'assigned', 'S-O2', 1, NULL, '2026-11-30 16:48:53.757511+00', '2026-11-30 16:48:53.757511+00', 3);
INSERT INTO public.order_domains_g1 VALUES ('WR3N4JEW3D76N6KGRQSG36SSHBXK/example.com', '{"outcome":{"assigned":true,"mailboxes":["FZHCRVTWEDMP2ZMMRSVZ63F493F1","LY25R9GK5AHYZ450YPWMNM8K8FXX"],"subscriptionId":[["2025-11-27T19:59:17.294Z",["2026-11-30T16:48:53Z",2,4]],"KX9V77PVMFMZH4PTPF2Y99PKYAT2"]},"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T16:48:53.760641Z","position":4}}}}', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'example.com', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'assigned', 'KX9V77PVMFMZH4PTPF2Y99PKYAT2', 2, NULL, '2026-11-30 16:48:53.760641+00', '2026-11-30 16:48:53.760641+00', 4);
INSERT INTO public.order_domains_g1 VALUES ('WR3N4JEW3D76N6KGRQSG36SSHBXK/example2.com', '{"outcome":{"assigned":true,"mailboxes":["ERG9Y480R2M5H7PXCX9XS0K6VY0S"],"subscriptionId":[["2025-11-27T19:59:17.294Z",["2026-11-30T16:48:53Z",2,4]],"EAG9Q69XN0MBS2GF13K2HEYRTQGS"]},"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T16:48:53.760641Z","position":4}}}}', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'example2.com', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'assigned', 'EAG9Q69XN0MBS2GF13K2HEYRTQGS', 1, NULL, '2026-11-30 16:48:53.760641+00', '2026-11-30 16:48:53.760641+00', 4);



INSERT INTO public.orders_g1 VALUES ('O1', '{"domains":{"o1.example":{"assigned":true,"mailboxes":["M-O1"],"subscriptionId":[[null,["2026-11-30T16:48:53Z",2,1]],"S-O1"]}},"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T16:48:53.730806Z","position":1}}}}', 'O1', 'U1', NULL, 'fulfilled', NULL, 1, 1, 0, 1, '2026-11-30 16:48:53.730806+00', '2026-11-30 16:48:53.730806+00', 1);
INSERT INTO public.orders_g1 VALUES ('O2', '{"domains":{"o2.example":{"assigned":true,"mailboxes":["M-O2"],"subscriptionId":[[null,["2026-11-30T16:48:53Z",2,3]],"S-O2"]}},"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T16:48:53.757511Z","position":3}}}}', 'O2', 'U2', NULL, 'fulfilled', NULL, 1, 1, 0, 1, '2026-11-30 16:48:53.757511+00', '2026-11-30 16:48:53.757511+00', 3);
INSERT INTO public.orders_g1 VALUES ('WR3N4JEW3D76N6KGRQSG36SSHBXK', '{"domains":{"example.com":{"assigned":true,"mailboxes":["FZHCRVTWEDMP2ZMMRSVZ63F493F1","LY25R9GK5AHYZ450YPWMNM8K8FXX"],"subscriptionId":[["2025-11-27T19:59:17.294Z",["2026-11-30T16:48:53Z",2,4]],"KX9V77PVMFMZH4PTPF2Y99PKYAT2"]},"example2.com":{"assigned":true,"mailboxes":["ERG9Y480R2M5H7PXCX9XS0K6VY0S"],"subscriptionId":[["2025-11-27T19:59:17.294Z",0],"EAG9Q69XN0MBS2GF13K2HEYRTQGS"]}},"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T16:48:53.760641Z","position":4}}}}', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 'fulfilled', NULL, 2, 2, 0, 3, '2026-11-30 16:48:53.760641+00', '2026-11-30 16:48:53.760641+00', 4);









INSERT INTO public.projection_generations VALUES ('access', 1, 1, 10, 'live', '2026-11-30 16:48:54.027448+00', 4, false);
INSERT INTO public.projection_generations VALUES ('accounts', 1, 3, 10, 'live', '2026-11-30 16:48:54.028902+00', 5, false);
INSERT INTO public.projection_generations VALUES ('failures', 1, 1, 10, 'live', '2026-11-30 16:48:54.029082+00', 0, false);
INSERT INTO public.projection_generations VALUES ('mailboxes', 1, 4, 10, 'live', '2026-11-30 16:48:54.029223+00', 4, false);
INSERT INTO public.projection_generations VALUES ('monthly_mailboxes', 1, 1, 10, 'live', '2026-11-30 16:48:54.029362+00', 2, false);
INSERT INTO public.projection_generations VALUES ('order_domains', 1, 3, 10, 'live', '2026-11-30 16:48:54.02949+00', 4, false);
INSERT INTO public.projection_generations VALUES ('orders', 1, 3, 10, 'live', '2026-11-30 16:48:54.029629+00', 3, false);
INSERT INTO public.projection_generations VALUES ('renewals', 1, 4, 10, 'live', '2026-11-30 16:48:54.029757+00', 4, false);



INSERT INTO public.refs VALUES (-5025922416318909538, 1);
INSERT INTO public.refs VALUES (-907827829364758173, 1);
INSERT INTO public.refs VALUES (-509324057018435738, 3);
INSERT INTO public.refs VALUES (8225199525707223841, 3);
INSERT INTO public.refs VALUES (-2736357228461943043, 4);
INSERT INTO public.refs VALUES (-1363135815505028888, 4);
INSERT INTO public.refs VALUES (-447708818221151814, 4);
INSERT INTO public.refs VALUES (2888023198362931935, 4);



INSERT INTO public.renewals_g1 VALUES ('EAG9Q69XN0MBS2GF13K2HEYRTQGS', '{"subscription":{"period":["2025-11-27T19:59:17.294Z","renewing"],"autoRenew":[["2026-11-30T16:48:53Z",4,6],true],"quantity":[0,1]},"assignedTo":[["2025-11-27T19:59:17.294Z",["2026-11-30T16:48:53Z",2,4]],{"domain":"example2.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK"}],"mailboxes":["ERG9Y480R2M5H7PXCX9XS0K6VY0S"],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T16:48:53.760641Z","position":4},"lastAt":"2026-11-30T16:48:53.764514Z"}}}', 'EAG9Q69XN0MBS2GF13K2HEYRTQGS', 'example2.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 1, '2025-11-27 19:59:17.294+00', true, '2025-11-27 19:59:17.294+00', 'renewing', true, NULL, 0, 0, NULL, '2026-11-30 16:48:53.760641+00', '2026-11-30 16:48:53.764514+00');
INSERT INTO public.renewals_g1 VALUES ('KX9V77PVMFMZH4PTPF2Y99PKYAT2', '{"subscription":{"period":["2025-11-27T19:59:17.294Z","active"]},"assignedTo":[["2025-11-27T19:59:17.294Z",["2026-11-30T16:48:53Z",2,4]],{"domain":"example.com","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK"}],"mailboxes":["FZHCRVTWEDMP2ZMMRSVZ63F493F1","LY25R9GK5AHYZ450YPWMNM8K8FXX"],"provenance":{"userId":[0,"PWM7Y25RYZ450YNM8K8FX9GK5AHX"],"serviceProvider":[0,"GOOGLE"],"recorded":{"first":{"at":"2026-11-30T16:48:53.760641Z","position":4}}}}', 'KX9V77PVMFMZH4PTPF2Y99PKYAT2', 'example.com', 'WR3N4JEW3D76N6KGRQSG36SSHBXK', 'PWM7Y25RYZ450YNM8K8FX9GK5AHX', 'GOOGLE', 2, '2025-11-27 19:59:17.294+00', true, '2025-11-27 19:59:17.294+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 16:48:53.760641+00', '2026-11-30 16:48:53.760641+00');
INSERT INTO public.renewals_g1 VALUES ('S-O1', '{"subscription":{"undatedActive":true},"assignedTo":[[null,["2026-11-30T16:48:53Z",2,1]],{"domain":"o1.example","orderId":"O1"}],"mailboxes":["M-O1"],"provenance":{"userId":[0,"U1"],"recorded":{"first":{"at":"2026-11-30T16:48:53.730806Z","position":1}}}}', 'S-O1', 'o1.example', 'O1', 'U1', NULL, 1, NULL, false, '9999-12-30 00:00:00+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 16:48:53.730806+00', '2026-11-30 16:48:53.730806+00');
INSERT INTO public.renewals_g1 VALUES ('S-O2', '{"subscription":{"undatedActive":true},"assignedTo":[[null,["2026-11-30T16:48:53Z",2,3]],{"domain":"o2.example","orderId":"O2"}],"mailboxes":["M-O2"],"provenance":{"userId":[0,"U2"],"recorded":{"first":{"at":"2026-11-30T16:48:53.757511Z","position":3}}}}', 'S-O2', 'o2.example', 'O2', 'U2', NULL, 1, NULL, false, '9999-12-30 00:00:00+00', 'active', NULL, NULL, 0, 0, NULL, '2026-11-30 16:48:53.757511+00', '2026-11-30 16:48:53.757511+00');



INSERT INTO public.signing_keys OVERRIDING SYSTEM VALUE VALUES (1, 'warmledger/14611a272c757192+0bdb2c7f+AVaPpVMcfXTScUDRrpZP88Cxn1VvwjqHmyUUlfwbp4Yx', '2026-11-30 16:48:53.706333+00');






INSERT INTO public.subjects VALUES ('U1', NULL, 2);
INSERT INTO public.subjects VALUES ('U2', 9, NULL);



INSERT INTO public.tokens VALUES ('tok_81ba3a98bda1894a', 'reader', 'read', '\x83b180ad89473a4efff2dd7e4529d1fdd3a82f0b9405fb41160e7e48f77d9885', '2026-11-30 16:48:53.809477+00', NULL, NULL, NULL);






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



ALTER TABLE ONLY public.order_domains_g1
    ADD CONSTRAINT order_domains_g1_pkey PRIMARY KEY (key);



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



CREATE INDEX access_g1_action ON public.access_g1 USING btree (action, key);



CREATE INDEX access_g1_actor ON public.access_g1 USING btree (actor, key);



CREATE INDEX access_g1_domain ON public.access_g1 USING btree (domain, key);



CREATE INDEX access_g1_mailbox_id ON public.access_g1 USING btree (mailbox_id, key);



CREATE INDEX access_g1_order_id ON public.access_g1 USING btree (order_id, key);



CREATE INDEX access_g1_position ON public.access_g1 USING btree ("position", key);



CREATE INDEX access_g1_recorded_at ON public.access_g1 USING btree (recorded_at, key);



CREATE INDEX access_g1_subject ON public.access_g1 USING btree (subject, key);



CREATE INDEX checkpoints_size ON public.checkpoints USING btree (size, id);



CREATE INDEX events_erasures ON public.events USING btree (subject, "position") WHERE (type = 'SubjectErased'::text);



CREATE INDEX failures_g1_day ON public.failures_g1 USING btree (day, key);



CREATE INDEX failures_g1_domain ON public.failures_g1 USING btree (domain, key);



CREATE INDEX failures_g1_position ON public.failures_g1 USING btree ("position", key);



CREATE INDEX failures_g1_user_id ON public.failures_g1 USING btree (user_id, key);



CREATE INDEX mailboxes_g1_order_id ON public.mailboxes_g1 USING btree (order_id, key);



CREATE INDEX mailboxes_g1_subscription_id ON public.mailboxes_g1 USING btree (subscription_id, key);



CREATE INDEX mailboxes_g1_user_id ON public.mailboxes_g1 USING btree (user_id, key);



CREATE INDEX monthly_mailboxes_g1_month ON public.monthly_mailboxes_g1 USING btree (month, key);



CREATE INDEX monthly_mailboxes_g1_service_provider ON public.monthly_mailboxes_g1 USING btree (service_provider, key);



CREATE INDEX order_domains_g1_domain ON public.order_domains_g1 USING btree (domain, key);



CREATE INDEX orders_g1_first_position ON public.orders_g1 USING btree (first_position, key);



CREATE INDEX orders_g1_status ON public.orders_g1 USING btree (status, key);



CREATE INDEX orders_g1_user_id ON public.orders_g1 USING btree (user_id, key);



CREATE UNIQUE INDEX projection_generations_building ON public.projection_generations USING btree (name) WHERE (state = 'building'::text);



CREATE UNIQUE INDEX projection_generations_live ON public.projection_generations USING btree (name) WHERE (state = 'live'::text);



CREATE INDEX refs_ref ON public.refs USING hash (ref);



CREATE INDEX renewals_g1_domain ON public.renewals_g1 USING btree (domain, key);



CREATE INDEX renewals_g1_due ON public.renewals_g1 USING btree (due, key);



CREATE INDEX renewals_g1_status ON public.renewals_g1 USING btree (status, key);



CREATE INDEX renewals_g1_user_id ON public.renewals_g1 USING btree (user_id, key);



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




