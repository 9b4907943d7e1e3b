-- Copies accounts and allocations of the older system from the schema "legacy", if
-- 0001 moved any there. Its allocations with something left become entries of the
-- kind "adoption", so that every balance is the sum of its entries from the start;
-- what has expired meanwhile is booked out like any other expiry.
--
-- How the older rows are read:
-- - Credits without an account get a placeholder.
-- - An account under a made-up address was a placeholder and is one again.
-- - A remainder below 0 (two deductions at once could cause it) counts as 0, one
--   above the total (adjustments could cause it) raises the total.
-- - An end of "infinity", or past the year 9999, is no end.
DO $$
DECLARE
    adopted_at timestamptz := now();
BEGIN
    IF to_regclass('legacy.user_accounts') IS NULL THEN
        RETURN;
    END IF;

    INSERT INTO accounts (user_id, status, email, username, welcome, created_at, updated_at)
    SELECT
        user_id,
        CASE WHEN is_placeholder THEN 'placeholder' ELSE 'active' END,
        CASE WHEN is_placeholder THEN NULL ELSE lower(trim(email)) END,
        CASE WHEN is_placeholder THEN NULL ELSE username END,
        'declined',
        LEAST(GREATEST(created_at, timestamptz '1970-01-01 00:00Z'), adopted_at),
        adopted_at
    FROM (
        SELECT
            *,
            lower(email) IN ('temp_' || lower(user_id) || '@example.com', 'unknown@example.com') AS is_placeholder
        FROM legacy.user_accounts
    ) AS old
    ON CONFLICT (user_id) DO NOTHING;

    IF to_regclass('legacy.credit_allocations') IS NULL THEN
        RETURN;
    END IF;

    -- Where the foreign key was dropped in an emergency, there are credits without an
    -- account. They wait on placeholders, like all that come before their user.
    INSERT INTO accounts (user_id, welcome, created_at, updated_at)
    SELECT DISTINCT user_id, 'declined', adopted_at, adopted_at FROM legacy.credit_allocations
    ON CONFLICT (user_id) DO NOTHING;

    INSERT INTO credit_allocations
        (user_id, id, credits, remaining, expires_at, reason, metadata, actor, recorded_at)
    SELECT
        user_id,
        -- A UUIDv7 of the time of allocation: its first 48 bits are milliseconds,
        -- the rest is that of a random UUID with the version bits set to 7.
        encode(
            set_bit(set_bit(
                overlay(
                    uuid_send(gen_random_uuid())
                    PLACING substring(int8send(floor(extract(epoch FROM booked_at) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6
                ),
            52, 1), 53, 1),
            'hex'
        )::uuid,
        GREATEST(total_credits, remaining_credits, 0),
        GREATEST(remaining_credits, 0),
        CASE
            WHEN expires_at >= timestamptz '9999-12-31 00:00Z' THEN NULL
            ELSE GREATEST(expires_at, timestamptz '1970-01-01 00:00Z')
        END,
        notes,
        jsonb_build_object('legacy_id', id),
        allocated_by,
        booked_at
    FROM (
        SELECT
            *,
            LEAST(GREATEST(allocated_at, timestamptz '1970-01-01 00:00Z'), adopted_at) AS booked_at
        FROM legacy.credit_allocations
    ) AS old;

    INSERT INTO entries (user_id, seq, kind, credits, balance_after, allocation_id, actor, recorded_at)
    SELECT
        user_id,
        row_number() OVER in_order,
        'adoption',
        remaining,
        sum(remaining) OVER in_order,
        id,
        actor,
        adopted_at
    FROM credit_allocations
    WHERE remaining > 0
    WINDOW in_order AS (
        PARTITION BY user_id ORDER BY recorded_at, (metadata ->> 'legacy_id')::bigint
        ROWS UNBOUNDED PRECEDING
    );

    UPDATE accounts
    SET available = sums.available,
        last_seq = sums.entries,
        last_entry_at = adopted_at,
        next_expiry_at = sums.next_expiry_at
    FROM (
        SELECT user_id, sum(remaining) AS available, count(*) AS entries, min(expires_at) AS next_expiry_at
        FROM credit_allocations
        WHERE remaining > 0
        GROUP BY user_id
    ) AS sums
    WHERE accounts.user_id = sums.user_id;
END
$$;
