-- What spending needs on top: usages, an index in the order of spending, and credits to
-- spend: one allocation a user, many on the hot account.
ALTER TABLE credit_allocations
    ADD COLUMN priority smallint NOT NULL DEFAULT 50,
    ADD COLUMN expires_at timestamptz;
CREATE INDEX credit_allocations_by_burn ON credit_allocations (user_id, priority, expires_at, recorded_at, id)
    WHERE remaining > 0;
CREATE TABLE usages (
    user_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    credits bigint NOT NULL,
    allocation_id uuid NOT NULL,
    resource text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);
INSERT INTO credit_allocations (user_id, id, credits, remaining)
SELECT 'user-' || i, gen_random_uuid(), 1000000000, 1000000000 FROM generate_series(1, :users) i
UNION ALL
SELECT 'user-0', gen_random_uuid(), 1000, 1000 FROM generate_series(1, :hot_allocations);
UPDATE accounts SET available = CASE WHEN user_id = 'user-0' THEN 1000 * :hot_allocations ELSE 1000000000 END;
VACUUM ANALYZE;
