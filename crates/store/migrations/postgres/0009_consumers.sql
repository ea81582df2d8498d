-- Consumers outside the process, each with what it reads and how far it has come.
CREATE TABLE consumers (
    name       text        COLLATE "C" PRIMARY KEY,
    filter     json        NOT NULL,
    position   bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    seen_at    timestamptz
);
