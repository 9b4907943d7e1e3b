-- Services that ask for tokens in their own name. Times are microseconds since 1970, UTC.
CREATE TABLE clients (
    client_id  TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    -- Words with spaces between.
    scopes     TEXT    NOT NULL,
    -- SHA-256 of the secrets that are good, 32 bytes each, newest first: one or two.
    secrets    BLOB    NOT NULL CHECK (length(secrets) IN (32, 64)),
    created_at INTEGER NOT NULL
) STRICT;
