-- The tables that one statement under pgbench writes: what an allocation leaves behind in ours.
CREATE TABLE accounts (
    user_id text COLLATE "C" PRIMARY KEY,
    available bigint NOT NULL,
    last_seq bigint NOT NULL
);
CREATE TABLE credit_allocations (
    user_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    credits bigint NOT NULL,
    remaining bigint NOT NULL,
    reason text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);
CREATE TABLE entries (
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    credits bigint NOT NULL,
    balance_after bigint NOT NULL,
    allocation_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, seq)
);
CREATE TABLE idempotency_keys (
    user_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    allocation_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
INSERT INTO accounts SELECT 'user-' || i, 0, 0 FROM generate_series(0, :users) i;
ANALYZE;
