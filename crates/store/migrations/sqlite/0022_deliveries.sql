-- What came from a sender and how it was answered: beside the ledger, for a bounded time. A delivery of a recorded webhook has the
-- position of its event; one that was refused has the ids that its body claims. Rows come in batches, shortly after the answers.
CREATE TABLE deliveries (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    sender     TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    cause      TEXT,
    status     INTEGER NOT NULL,
    request_id TEXT    NOT NULL,
    position   INTEGER,
    event_id   TEXT,
    order_id   TEXT,
    domains    TEXT
) STRICT;

CREATE INDEX deliveries_at ON deliveries (at);
CREATE INDEX deliveries_position ON deliveries (position) WHERE position IS NOT NULL;
CREATE INDEX deliveries_others ON deliveries (id) WHERE outcome <> 'recorded';

-- From where authentic webhooks came, and when last: an address, or a network of IPv6.
CREATE TABLE known_senders (
    sender  TEXT PRIMARY KEY,
    last_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
