-- Which events brought a subscription or a domain into the ledger: ref is a 64-bit hash of kind and id.
CREATE TABLE refs (
    ref      bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (ref, position)
);
