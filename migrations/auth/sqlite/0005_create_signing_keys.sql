-- The keys that sign access tokens. Times are microseconds since 1970, UTC. Which key
-- signs follows from the order: the last one whose time has come. So one INSERT makes
-- a rotation, and of two processes that rotate at once one finds its number taken.
CREATE TABLE signing_keys (
    generation   INTEGER NOT NULL PRIMARY KEY,
    key_id       TEXT    NOT NULL UNIQUE,
    algorithm    TEXT    NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA')),
    -- The public key as JSON (RFC 7517).
    public_jwk   TEXT    NOT NULL,
    -- The private key, encrypted, and under which key-encryption key.
    sealed_under TEXT    NOT NULL,
    sealed       BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    signs_from   INTEGER NOT NULL
) STRICT;
