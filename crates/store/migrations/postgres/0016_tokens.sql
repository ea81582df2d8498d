-- API tokens. The token itself is shown once and kept nowhere; scopes are separated by spaces.
CREATE TABLE tokens (
    id           text        COLLATE "C" PRIMARY KEY,
    name         text        NOT NULL,
    scopes       text        NOT NULL,
    hash         bytea       NOT NULL CONSTRAINT tokens_hash_key UNIQUE,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
