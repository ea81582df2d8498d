-- The public keys that the log has signed with, in the form of C2SP signed-note; the newest one signs.
CREATE TABLE signing_keys (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verifier   text        COLLATE "C" NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);

CREATE TRIGGER signing_keys_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON signing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_proof();
