-- Mail that waits to be sent, at most one of a kind for a user. Recipient and text
-- are encrypted. Times are microseconds since 1970.
CREATE TABLE mail (
    user_id     TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    mail_id     BLOB    NOT NULL,
    key_id      TEXT    NOT NULL,
    sealed      BLOB    NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL,
    -- Who sends it (a fencing token) and until when.
    lease_token BLOB,
    lease_until INTEGER,
    PRIMARY KEY (user_id, kind)
) STRICT;

CREATE INDEX mail_due ON mail (due_at);

-- The tickets that were sent by mail, at most one of a kind for a user, as SHA-256
-- digests.
CREATE TABLE tickets (
    user_id    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX tickets_digest ON tickets (digest);
