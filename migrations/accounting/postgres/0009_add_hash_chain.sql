-- The hash chain. PostgreSQL and SQLite share no way to make it in SQL, so rows that are
-- there are sealed by the program right after this.
ALTER TABLE accounts
    ADD COLUMN chain_head bytea CHECK (octet_length(chain_head) = 32);

ALTER TABLE entries
    ADD COLUMN made_digest bytea CHECK (octet_length(made_digest) = 32),
    ADD COLUMN text_salt bytea CHECK (octet_length(text_salt) = 16),
    ADD COLUMN text_digest bytea CHECK (octet_length(text_digest) = 32),
    ADD COLUMN hash bytea,
    -- Of new rows at once: a process of the release before must not write entries without.
    ADD CONSTRAINT entries_hash_check CHECK (hash IS NOT NULL AND octet_length(hash) = 32) NOT VALID;
CREATE INDEX entries_unsealed ON entries (user_id, seq) WHERE hash IS NULL;

-- Empty: to be sealed. Allocations that no entry names, since they are pending or had been
-- spent when they were adopted, carry a digest of their own, as every reservation does.
ALTER TABLE credit_allocations ADD COLUMN terms_digest bytea;
UPDATE credit_allocations AS allocation SET terms_digest = ''
WHERE is_pending OR (
    remaining = 0 AND metadata ? 'legacy_id' AND NOT EXISTS (
        SELECT FROM entries WHERE user_id = allocation.user_id AND reference = allocation.id
    )
);
CREATE INDEX credit_allocations_unsealed ON credit_allocations (user_id, id) WHERE terms_digest = '';

ALTER TABLE reservations ADD COLUMN terms_digest bytea NOT NULL DEFAULT '';
ALTER TABLE reservations ALTER COLUMN terms_digest DROP DEFAULT;
CREATE INDEX reservations_unsealed ON reservations (user_id, id) WHERE terms_digest = '';
