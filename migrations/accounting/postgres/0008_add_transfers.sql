-- Transfers name the user at their other end.
ALTER TABLE entries ADD COLUMN counterparty text;

-- The keys of requests that are about many accounts, each with the hash of the request
-- that it came with first. What became of its items is known by keys of their own, in
-- idempotency_keys.
CREATE TABLE batch_keys (
    client text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (client, key)
);
