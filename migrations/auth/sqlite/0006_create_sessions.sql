-- Sessions: one row a family of refresh tokens. Times are microseconds since 1970, UTC.
CREATE TABLE sessions (
    session_id   TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL,
    -- The user's session_epoch when it began; it is good only while that is the same.
    epoch        INTEGER NOT NULL,
    device       TEXT,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    -- SHA-256 of the one refresh token that is good.
    current      BLOB    NOT NULL CHECK (length(current) = 32),
    -- SHA-256 of those before it, 32 bytes each, oldest first, the last hundred.
    used         BLOB    NOT NULL,
    rotated_at   INTEGER
) STRICT;

CREATE INDEX sessions_user ON sessions (user_id, session_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
