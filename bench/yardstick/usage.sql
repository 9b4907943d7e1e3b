-- One statement that does what a usage does: key, the allocation that burns first, usage,
-- entry, balance. (A spend over two allocations would take more than one statement.)
\set user random(:first, :last)
\set credits 10
WITH key AS (
    INSERT INTO idempotency_keys (user_id, key, allocation_id)
    VALUES ('user-' || :user, gen_random_uuid()::text, gen_random_uuid())
    ON CONFLICT DO NOTHING
    RETURNING user_id, allocation_id AS usage_id
), allocation AS (
    UPDATE credit_allocations AS drawn SET remaining = remaining - :credits
    FROM key
    WHERE drawn.user_id = key.user_id AND drawn.remaining >= :credits AND drawn.id = (
        SELECT id FROM credit_allocations
        WHERE user_id = key.user_id AND remaining > 0
        ORDER BY priority, expires_at, recorded_at, id LIMIT 1
    )
    RETURNING drawn.user_id, drawn.id, key.usage_id
), account AS (
    UPDATE accounts SET available = available - :credits, last_seq = last_seq + 1
    FROM allocation WHERE accounts.user_id = allocation.user_id
    RETURNING accounts.user_id, allocation.id, allocation.usage_id, available, last_seq
), usage AS (
    INSERT INTO usages (user_id, id, credits, allocation_id, resource)
    SELECT user_id, usage_id, :credits, id, 'bench' FROM account
)
INSERT INTO entries (user_id, seq, credits, balance_after, allocation_id)
SELECT user_id, last_seq, -(:credits)::bigint, available, id FROM account;
