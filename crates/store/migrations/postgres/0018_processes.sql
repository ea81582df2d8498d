-- The processes of the service, by their heartbeats, and what each of them holds (JSON, no secret). The clock is the database's.
CREATE TABLE processes (
    id         text        PRIMARY KEY,
    host       text        NOT NULL,
    pid        bigint      NOT NULL,
    data_dir   text        NOT NULL,
    version    text        NOT NULL,
    holds      text        NOT NULL,
    beats      bigint      NOT NULL DEFAULT 1,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
