-- One statement that does what an allocation does: key, allocation, entry, balance.
\set user random(:first, :last)
\set credits 100
WITH key AS (
    INSERT INTO idempotency_keys (user_id, key, allocation_id)
    VALUES ('user-' || :user, gen_random_uuid()::text, gen_random_uuid())
    ON CONFLICT DO NOTHING
    RETURNING user_id, allocation_id
), account AS (
    UPDATE accounts SET available = available + :credits, last_seq = last_seq + 1
    FROM key WHERE accounts.user_id = key.user_id
    RETURNING accounts.user_id, key.allocation_id, available, last_seq
), allocation AS (
    INSERT INTO credit_allocations (user_id, id, credits, remaining, reason)
    SELECT user_id, allocation_id, :credits, :credits, 'bench' FROM account
)
INSERT INTO entries (user_id, seq, credits, balance_after, allocation_id)
SELECT user_id, last_seq, :credits, available, allocation_id FROM account;
