-- The older accounting service's tables as Sequelize 6 creates them on PostgreSQL.
CREATE TABLE user_accounts (
    user_id varchar(50) PRIMARY KEY,
    email varchar(255) NOT NULL UNIQUE,
    username varchar(100) NOT NULL,
    role varchar(50) NOT NULL DEFAULT 'user',
    jwt_sub varchar(255) UNIQUE,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE credit_allocations (
    id serial PRIMARY KEY,
    user_id varchar(50) NOT NULL
        CONSTRAINT credit_allocations_user_id_fkey REFERENCES user_accounts (user_id)
        ON DELETE NO ACTION ON UPDATE CASCADE,
    total_credits integer NOT NULL,
    remaining_credits integer NOT NULL,
    allocated_by varchar(50) NOT NULL,
    allocated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    notes text
);
CREATE INDEX idx_credit_user_expiry ON credit_allocations (user_id, expires_at);
CREATE TABLE usage_records (
    id serial PRIMARY KEY,
    user_id varchar(50) NOT NULL
        CONSTRAINT usage_records_user_id_fkey REFERENCES user_accounts (user_id) ON UPDATE CASCADE,
    "timestamp" timestamptz NOT NULL,
    service varchar(50) NOT NULL,
    operation varchar(100) NOT NULL,
    credits integer NOT NULL,
    metadata jsonb
);
CREATE TYPE enum_streaming_sessions_status AS ENUM ('active', 'completed', 'failed');
CREATE TABLE streaming_sessions (
    id serial PRIMARY KEY,
    session_id varchar(100) NOT NULL UNIQUE,
    user_id varchar(50) NOT NULL
        CONSTRAINT streaming_sessions_user_id_fkey REFERENCES user_accounts (user_id) ON UPDATE CASCADE,
    model_id varchar(100) NOT NULL,
    estimated_credits integer NOT NULL,
    allocated_credits integer NOT NULL,
    used_credits integer NOT NULL DEFAULT 0,
    status enum_streaming_sessions_status NOT NULL DEFAULT 'active',
    started_at timestamptz NOT NULL,
    completed_at timestamptz
);
