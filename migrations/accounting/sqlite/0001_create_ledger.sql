-- The ledger, as migrations/accounting/postgres has it. Times are microseconds
-- since 1970, UUIDs their 16 bytes.
CREATE TABLE accounts (
    user_id TEXT NOT NULL PRIMARY KEY CHECK (length(user_id) <= 50),
    status TEXT NOT NULL DEFAULT 'placeholder'
        CHECK (status IN ('placeholder', 'active', 'suspended', 'closed', 'orphaned')),
    user_version INTEGER,
    email TEXT,
    username TEXT,
    display_name TEXT,
    available INTEGER NOT NULL DEFAULT 0 CHECK (available >= 0 AND available < 9007199254740992),
    reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0 AND reserved < 9007199254740992),
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_entry_at INTEGER,
    next_expiry_at INTEGER,
    welcome TEXT NOT NULL DEFAULT 'undecided' CHECK (welcome IN ('undecided', 'granted', 'declined')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX accounts_by_status ON accounts (status, created_at DESC, user_id DESC);
CREATE INDEX accounts_by_age ON accounts (created_at DESC, user_id DESC);
CREATE INDEX accounts_by_email ON accounts (email) WHERE email IS NOT NULL;

CREATE TABLE credit_allocations (
    user_id TEXT NOT NULL,
    id BLOB NOT NULL,
    credits INTEGER NOT NULL CHECK (credits >= 0),
    remaining INTEGER NOT NULL CHECK (remaining BETWEEN 0 AND credits),
    expires_at INTEGER,
    reason TEXT,
    metadata TEXT,
    actor TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX credit_allocations_by_expiry ON credit_allocations (user_id, expires_at)
    WHERE remaining > 0 AND expires_at IS NOT NULL;

CREATE TABLE entries (
    user_id TEXT NOT NULL,
    seq INTEGER NOT NULL CHECK (seq > 0),
    kind TEXT NOT NULL CHECK (kind IN ('allocation', 'welcome', 'expiry', 'adoption')),
    credits INTEGER NOT NULL,
    balance_after INTEGER NOT NULL CHECK (balance_after >= 0),
    allocation_id BLOB NOT NULL,
    actor TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    user_id TEXT NOT NULL,
    client TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    resource TEXT NOT NULL,
    reply BLOB NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, client, key)
) STRICT, WITHOUT ROWID;
