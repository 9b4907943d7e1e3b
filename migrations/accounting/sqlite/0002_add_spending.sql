-- Spending, as migrations/accounting/postgres has it. SQLite cannot change a CHECK, so
-- tables that have one in the way are made anew.
ALTER TABLE accounts RENAME COLUMN next_expiry_at TO next_due_at;
ALTER TABLE accounts
    ADD COLUMN pending INTEGER NOT NULL DEFAULT 0 CHECK (pending >= 0 AND pending < 9007199254740992);
CREATE INDEX accounts_by_due ON accounts (next_due_at, user_id) WHERE next_due_at IS NOT NULL;

CREATE TABLE new_credit_allocations (
    user_id TEXT NOT NULL,
    id BLOB NOT NULL,
    credits INTEGER NOT NULL CHECK (credits >= 0),
    remaining INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 100),
    effective_at INTEGER,
    is_pending INTEGER NOT NULL CHECK (is_pending IN (0, 1)),
    expires_at INTEGER,
    is_voided INTEGER NOT NULL CHECK (is_voided IN (0, 1)),
    reason TEXT,
    metadata TEXT,
    actor TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, id),
    CHECK (remaining >= 0 AND reserved >= 0 AND remaining + reserved <= credits)
) STRICT, WITHOUT ROWID;
INSERT INTO new_credit_allocations
SELECT user_id, id, credits, remaining, 0, 50, NULL, 0, expires_at, 0, reason, metadata, actor, recorded_at
FROM credit_allocations;
DROP TABLE credit_allocations;
ALTER TABLE new_credit_allocations RENAME TO credit_allocations;

CREATE INDEX credit_allocations_by_expiry ON credit_allocations (user_id, expires_at)
    WHERE remaining > 0 AND expires_at IS NOT NULL;
-- SQLite sorts NULL first: those without an end come last by the column before it.
CREATE INDEX credit_allocations_by_burn
    ON credit_allocations (user_id, priority, expires_at IS NULL, expires_at, recorded_at, id)
    WHERE remaining > 0;
CREATE INDEX credit_allocations_by_beginning ON credit_allocations (user_id, effective_at) WHERE is_pending;

CREATE TABLE new_entries (
    user_id TEXT NOT NULL,
    seq INTEGER NOT NULL CHECK (seq > 0),
    kind TEXT NOT NULL,
    credits INTEGER NOT NULL,
    balance_after INTEGER NOT NULL CHECK (balance_after >= 0),
    reserved_after INTEGER NOT NULL CHECK (reserved_after BETWEEN 0 AND balance_after),
    draws TEXT NOT NULL,
    reference BLOB NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO new_entries
SELECT
    user_id, seq, kind, credits, balance_after, 0,
    json_array(json_object(
        'allocation_id',
        lower(substr(hex(allocation_id), 1, 8) || '-' || substr(hex(allocation_id), 9, 4) || '-'
            || substr(hex(allocation_id), 13, 4) || '-' || substr(hex(allocation_id), 17, 4) || '-'
            || substr(hex(allocation_id), 21)),
        'remaining', credits
    )),
    allocation_id, actor, NULL, recorded_at
FROM entries;
DROP TABLE entries;
ALTER TABLE new_entries RENAME TO entries;

CREATE TABLE usages (
    user_id TEXT NOT NULL,
    id BLOB NOT NULL,
    credits INTEGER NOT NULL CHECK (credits >= 0),
    refunded INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND credits),
    uncollected INTEGER NOT NULL CHECK (uncollected >= 0),
    resource TEXT,
    metadata TEXT,
    reservation_id BLOB,
    draws TEXT NOT NULL,
    actor TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
    user_id TEXT NOT NULL,
    id BLOB NOT NULL,
    credits INTEGER NOT NULL CHECK (credits > 0),
    status TEXT NOT NULL CHECK (status IN ('held', 'captured', 'released', 'expired')),
    expires_at INTEGER NOT NULL,
    resource TEXT,
    metadata TEXT,
    draws TEXT NOT NULL,
    usage_id BLOB,
    actor TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX reservations_by_end ON reservations (user_id, expires_at) WHERE status = 'held';
