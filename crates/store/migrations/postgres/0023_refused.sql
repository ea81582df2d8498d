-- Webhooks that were refused and are kept aside for a bounded time, sealed: they may be taken in once the right key is configured.
CREATE TABLE refused (
    id       text        COLLATE "C" PRIMARY KEY,
    at       timestamptz NOT NULL,
    source   text        COLLATE "C" NOT NULL,
    address  text        COLLATE "C" NOT NULL,
    sender   text        COLLATE "C" NOT NULL,
    known    boolean     NOT NULL,
    cause    text        COLLATE "C" NOT NULL,
    scheme   text        COLLATE "C",
    event_id text        COLLATE "C",
    size     bigint      NOT NULL,
    sealed   bytea       NOT NULL
);

CREATE INDEX refused_at ON refused (at, id);
CREATE INDEX refused_sender ON refused (sender);
