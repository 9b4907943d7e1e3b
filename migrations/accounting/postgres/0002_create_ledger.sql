-- The ledger. Every key begins with user_id, so that the tables shard by it, and
-- no table has a foreign key to another: rows of one account are only ever written
-- under that account's lock, and an account may be booked on before auth's event
-- of its user has arrived.
--
-- user_id is COLLATE "C": we sort accounts before locking them, and our order and
-- the database's must agree, or two batches deadlock.
CREATE TABLE accounts (
    user_id text COLLATE "C" PRIMARY KEY CHECK (char_length(user_id) <= 50),
    status text NOT NULL DEFAULT 'placeholder'
        CHECK (status IN ('placeholder', 'active', 'suspended', 'closed', 'orphaned')),
    -- The version of the newest user snapshot that was applied.
    user_version bigint,
    email text,
    username text,
    display_name text,
    available bigint NOT NULL DEFAULT 0 CHECK (available >= 0 AND available < 9007199254740992),
    reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0 AND reserved < 9007199254740992),
    last_seq bigint NOT NULL DEFAULT 0,
    last_entry_at timestamptz,
    next_expiry_at timestamptz,
    welcome text NOT NULL DEFAULT 'undecided' CHECK (welcome IN ('undecided', 'granted', 'declined')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 80); -- room for updates in place: balances change, indexed columns rarely do

CREATE INDEX accounts_by_status ON accounts (status, created_at DESC, user_id DESC);
CREATE INDEX accounts_by_age ON accounts (created_at DESC, user_id DESC);
CREATE INDEX accounts_by_email ON accounts (email) WHERE email IS NOT NULL;

CREATE TABLE credit_allocations (
    user_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    credits bigint NOT NULL CHECK (credits >= 0),
    remaining bigint NOT NULL CHECK (remaining BETWEEN 0 AND credits),
    expires_at timestamptz,
    reason text,
    metadata jsonb,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 80);

CREATE INDEX credit_allocations_by_expiry ON credit_allocations (user_id, expires_at)
    WHERE remaining > 0 AND expires_at IS NOT NULL;

CREATE TABLE entries (
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    kind text NOT NULL CHECK (kind IN ('allocation', 'welcome', 'expiry', 'adoption')),
    credits bigint NOT NULL,
    balance_after bigint NOT NULL CHECK (balance_after >= 0),
    allocation_id uuid NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, seq)
);

CREATE TABLE idempotency_keys (
    user_id text COLLATE "C" NOT NULL,
    client text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    resource text NOT NULL,
    -- Bytes, so that a repetition gets the same reply to the last byte.
    reply bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, client, key)
);
