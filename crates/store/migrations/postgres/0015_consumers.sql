-- Consumers outside the process, each with what it reads and how far it has come. Its owner is the actor that made it, as in the
-- access log; the relay's has none.
CREATE TABLE consumers (
    name       text        COLLATE "C" PRIMARY KEY,
    filter     json        NOT NULL,
    position   bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    seen_at    timestamptz,
    owner      text        COLLATE "C"
);
