-- The hash chain, as migrations/accounting/postgres has it. The program seals the rows that
-- are there right after this.
ALTER TABLE accounts ADD COLUMN chain_head BLOB CHECK (length(chain_head) = 32);

ALTER TABLE entries ADD COLUMN made_digest BLOB CHECK (length(made_digest) = 32);
ALTER TABLE entries ADD COLUMN text_salt BLOB CHECK (length(text_salt) = 16);
ALTER TABLE entries ADD COLUMN text_digest BLOB CHECK (length(text_digest) = 32);
ALTER TABLE entries ADD COLUMN hash BLOB CHECK (length(hash) = 32);
CREATE INDEX entries_unsealed ON entries (user_id, seq) WHERE hash IS NULL;
-- A process of the release before must not write entries without.
CREATE TRIGGER entries_are_sealed BEFORE INSERT ON entries WHEN NEW.hash IS NULL
BEGIN
    SELECT RAISE(ABORT, 'an entry needs a hash');
END;

-- Empty: to be sealed.
ALTER TABLE credit_allocations ADD COLUMN terms_digest BLOB;
UPDATE credit_allocations SET terms_digest = x'' WHERE is_pending;
CREATE INDEX credit_allocations_unsealed ON credit_allocations (user_id, id) WHERE terms_digest = x'';

ALTER TABLE reservations ADD COLUMN terms_digest BLOB NOT NULL DEFAULT x'';
CREATE INDEX reservations_unsealed ON reservations (user_id, id) WHERE terms_digest = x'';
