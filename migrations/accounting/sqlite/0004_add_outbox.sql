-- Events of what was booked, written with it, until they are published: in the order in
-- which they were written.
CREATE TABLE outbox (
    position     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id     BLOB    NOT NULL UNIQUE,
    user_id      TEXT    NOT NULL,
    routing_key  TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    body         BLOB    NOT NULL,
    traceparent  TEXT,
    written_at   INTEGER NOT NULL,
    -- The relay that holds it (its fencing token) and until when, in microseconds since 1970.
    lease_token  BLOB,
    lease_until  INTEGER
) STRICT;
