-- The log. Rows are only ever added (0005), in the total order of their positions (0006).
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
    facts          json        NOT NULL,
    personal       bytea,
    secrets        bytea,
    original       bytea,
    leaf_hash      bytea       NOT NULL,
    CONSTRAINT events_stream_version_key UNIQUE (stream, version),
    CONSTRAINT events_source_event_id_key UNIQUE (source, event_id)
) WITH (toast_tuple_target = 8160);

-- Sealed bytes are compressed before sealing; trying again would only cost time.
ALTER TABLE events
    ALTER COLUMN personal SET STORAGE EXTERNAL,
    ALTER COLUMN secrets SET STORAGE EXTERNAL,
    ALTER COLUMN original SET STORAGE EXTERNAL;
