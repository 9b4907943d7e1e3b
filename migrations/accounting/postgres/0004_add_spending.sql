-- Spending: usages, reservations, allocations with a priority and a beginning, and
-- entries that name every allocation they draw on.
ALTER TABLE accounts RENAME COLUMN next_expiry_at TO next_due_at;
ALTER TABLE accounts
    ADD COLUMN pending bigint NOT NULL DEFAULT 0 CHECK (pending >= 0 AND pending < 9007199254740992);
-- For whoever sweeps accounts on which something has fallen due.
CREATE INDEX accounts_by_due ON accounts (next_due_at, user_id) WHERE next_due_at IS NOT NULL;

ALTER TABLE credit_allocations
    ADD COLUMN reserved bigint NOT NULL DEFAULT 0,
    ADD COLUMN priority smallint NOT NULL DEFAULT 50 CHECK (priority BETWEEN 0 AND 100),
    ADD COLUMN effective_at timestamptz,
    ADD COLUMN is_pending boolean NOT NULL DEFAULT false,
    ADD COLUMN is_voided boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT credit_allocations_check,
    ADD CONSTRAINT credit_allocations_parts_check
        CHECK (remaining >= 0 AND reserved >= 0 AND remaining + reserved <= credits);
-- The order in which credits are spent.
CREATE INDEX credit_allocations_by_burn ON credit_allocations (user_id, priority, expires_at, recorded_at, id)
    WHERE remaining > 0;
CREATE INDEX credit_allocations_by_beginning ON credit_allocations (user_id, effective_at) WHERE is_pending;

-- Every entry so far was about one allocation. Which words "kind" may hold is the
-- ledger's own business, since every feature adds some.
ALTER TABLE entries
    DROP CONSTRAINT entries_kind_check,
    ADD COLUMN reserved_after bigint NOT NULL DEFAULT 0 CHECK (reserved_after BETWEEN 0 AND balance_after),
    ADD COLUMN draws json,
    ADD COLUMN reason text;
UPDATE entries
SET draws = json_build_array(json_build_object('allocation_id', allocation_id, 'remaining', credits));
ALTER TABLE entries RENAME COLUMN allocation_id TO reference;
ALTER TABLE entries
    ALTER COLUMN draws SET NOT NULL,
    ALTER COLUMN reserved_after DROP DEFAULT;

CREATE TABLE usages (
    user_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    credits bigint NOT NULL CHECK (credits >= 0),
    refunded bigint NOT NULL CHECK (refunded BETWEEN 0 AND credits),
    uncollected bigint NOT NULL CHECK (uncollected >= 0),
    resource text,
    metadata jsonb,
    reservation_id uuid,
    -- What it drew on: [{"allocation_id", "credits"}].
    draws json NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);

CREATE TABLE reservations (
    user_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    credits bigint NOT NULL CHECK (credits > 0),
    status text NOT NULL CHECK (status IN ('held', 'captured', 'released', 'expired')),
    expires_at timestamptz NOT NULL,
    resource text,
    metadata jsonb,
    -- What it holds of which allocations: [{"allocation_id", "credits"}].
    draws json NOT NULL,
    usage_id uuid,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 80);

CREATE INDEX reservations_by_end ON reservations (user_id, expires_at) WHERE status = 'held';
