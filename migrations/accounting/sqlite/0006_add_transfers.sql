-- Transfers and batches, as migrations/accounting/postgres has them.
ALTER TABLE entries ADD COLUMN counterparty TEXT;

CREATE TABLE batch_keys (
    client TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (client, key)
) STRICT, WITHOUT ROWID;
