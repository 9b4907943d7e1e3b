-- Users. Times are microseconds since 1970, UTC.
CREATE TABLE users (
    user_id         TEXT    NOT NULL PRIMARY KEY,
    -- Lower case. NULL once the person's data has been erased.
    email           TEXT,
    email_verified  INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
    display_name    TEXT,
    password_hash   TEXT    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('active', 'deactivated', 'deleted')),
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    -- The registration's Idempotency-Key (SHA-256), the request that came with it
    -- (SHA-256, without the password), and its reply, byte for byte.
    idempotency_key BLOB,
    request_digest  BLOB,
    reply           BLOB,
    CHECK ((idempotency_key IS NULL) = (request_digest IS NULL))
) STRICT;

CREATE UNIQUE INDEX users_email ON users (email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX users_idempotency_key ON users (idempotency_key) WHERE idempotency_key IS NOT NULL;
