-- What came from a sender and how it was answered: beside the ledger, for a bounded time. A delivery of a recorded webhook has the
-- position of its event; one that was refused has the ids that its body claims. Rows come in batches, shortly after the answers.
CREATE TABLE deliveries (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    source     text        COLLATE "C" NOT NULL,
    address    text        COLLATE "C" NOT NULL,
    sender     text        COLLATE "C" NOT NULL,
    outcome    text        COLLATE "C" NOT NULL,
    cause      text        COLLATE "C",
    status     integer     NOT NULL,
    request_id text        COLLATE "C" NOT NULL,
    position   bigint,
    event_id   text        COLLATE "C",
    order_id   text        COLLATE "C",
    domains    text        COLLATE "C"
);

-- Rows come in the order of time, nearly: an index of ranges is enough for times, and takes next to nothing to keep.
CREATE INDEX deliveries_at ON deliveries USING brin (at) WITH (pages_per_range = 16);
CREATE INDEX deliveries_position ON deliveries (position) WHERE position IS NOT NULL;
CREATE INDEX deliveries_others ON deliveries (id) WHERE outcome <> 'recorded';

-- From where authentic webhooks came, and when last: an address, or a network of IPv6.
CREATE TABLE known_senders (
    sender  text        COLLATE "C" PRIMARY KEY,
    last_at timestamptz NOT NULL
);
