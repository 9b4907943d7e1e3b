-- How often something was tried, by whom, within a window. Whose subject it is cannot
-- be read off: the key is a SHA-256 digest of limit, subject and window.
CREATE TABLE throttles (
    throttle_key BLOB    NOT NULL PRIMARY KEY,
    tries        INTEGER NOT NULL,
    -- Microseconds since 1970: from then on the row is of no use.
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX throttles_expiry ON throttles (expires_at);
